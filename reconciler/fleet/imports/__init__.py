"""`fleet import`: what others describe, Compose files and Azure IoT Edge, as apps, layers and devices of a fleet."""
