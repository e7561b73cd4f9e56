"""What brings Milepost into clusters."""
