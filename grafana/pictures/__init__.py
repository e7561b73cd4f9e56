"""Pictures of the dashboards where there is no Grafana: their JSON, asked of a live Prometheus and drawn."""
