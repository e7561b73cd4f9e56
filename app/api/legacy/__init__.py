"""The unversioned paths of earlier servers: each asks version 1, and says that it will go."""
