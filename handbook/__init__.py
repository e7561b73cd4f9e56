"""The documentation as a site: docs/ with a navigation, and the parts of it that are drawn from the code."""
