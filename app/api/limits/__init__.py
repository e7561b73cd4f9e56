"""How much an address and a user may ask for, and what answers tell of it."""
