"""The files of the home: settings, data, logs, mounts."""
