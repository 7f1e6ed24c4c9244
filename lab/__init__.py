"""Real servers on loopback, for tests, the demo and benchmarks: Engine, registry, Git, people."""
