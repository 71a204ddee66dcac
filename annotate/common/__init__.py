"""What every app needs and no app owns: base model, errors, pagination, health, the laptop's own servers."""
