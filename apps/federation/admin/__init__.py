"""Federation in the console: the agents of a workspace, what they know about, its peers, and how it merges."""

from django.contrib import admin
from django.urls import URLPattern, path

from apps.federation.admin import agents, configuring, over_time, peers, pulls
from apps.federation.admin.pages import Pages
from apps.federation.models import Agent, Federation, Peer, Pull


@admin.register(Agent)
class AgentAdmin(Pages):
    """`?workspace=&id=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(agents.latest), name="federation_agent_changelist"),
            path("page/", self.page(agents.show), name="federation_agent_page"),
            path("withdraw/", self.page(agents.withdraw), name="federation_agent_withdraw"),
            path("topics/", self.page(over_time.show), name="federation_agent_topics"),
        ]


@admin.register(Pull)
class PullAdmin(Pages):
    """`?workspace=&from=&to=`, by the moments of pulls."""

    def get_urls(self) -> list[URLPattern]:
        return [path("", self.page(pulls.compare), name="federation_pull_changelist")]


@admin.register(Peer)
class PeerAdmin(Pages):
    """`?workspace=&name=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(peers.by_name), name="federation_peer_changelist"),
            path("page/", self.page(peers.show), name="federation_peer_page"),
            path("new/", self.page(peers.add), name="federation_peer_new"),
            path("change/", self.page(peers.change), name="federation_peer_edit"),
            path("exchange/", self.page(peers.exchange), name="federation_peer_exchange"),
            path("remove/", self.page(peers.remove), name="federation_peer_remove"),
        ]


@admin.register(Federation)
class FederationAdmin(Pages):
    """`?workspace=`."""

    def get_urls(self) -> list[URLPattern]:
        return [
            path("", self.page(configuring.change), name="federation_federation_changelist"),
            path("reset/", self.page(configuring.reset), name="federation_federation_reset"),
        ]
