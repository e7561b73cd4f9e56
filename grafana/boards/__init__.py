"""The dashboards: one module each, written in the words of `panels` and `promql`; `python -m grafana.boards` turns them into JSON."""
