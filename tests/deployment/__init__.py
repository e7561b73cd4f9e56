"""What puts Milepost on a server."""
