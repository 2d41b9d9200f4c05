"""Engine.IO: connections, their timers and transports."""
