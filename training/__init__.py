"""The models' wing: Django apps that turn ratings into reward models, and the plain PyTorch engine they start."""
