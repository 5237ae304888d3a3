"""The gallery: faces enrolled once, kept on disk or in an object store, and recognised ever after."""
