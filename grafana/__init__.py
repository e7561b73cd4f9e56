"""What Grafana is given, and what it is made from."""
