"""Dependencies first."""

from graphlib import TopologicalSorter

from reconciler.model import App, Service


def in_order(app: App) -> tuple[Service, ...]:
    """The services so that each comes after what it depends on; by name where the file leaves it open."""
    services = {service.name: service for service in app.services}
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for service in app.services:
        sorter.add(service.name, *(d.service for d in service.depends_on if d.service in services))
    sorter.prepare()
    ordered: list[Service] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += [services[name] for name in ready]
        sorter.done(*ready)
    return tuple(ordered)
