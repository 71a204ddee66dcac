"""The scorer: a process that serves promoted reward models over HTTP. `client` needs neither torch nor a model."""
