"""How far labellers agree: pure statistics and the snapshots that pages read."""
