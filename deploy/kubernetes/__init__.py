"""Kustomize's files, and what writes those of them that repeat others."""
