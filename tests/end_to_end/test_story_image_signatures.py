"""Images that must be signed, by a policy in the repository: what nobody signed does not come, and what runs stays."""

import pytest
from story import Story
from story_team import NAMESPACES

from lab.cosign import ImageSigner, Shelf
from lab.registry import Registry

pytestmark = pytest.mark.docker

CI, MALLORY = ImageSigner(), ImageSigner()
POLICY = """\
apiVersion: fleet/v1
kind: Policy
metadata: {{name: stories}}
spec:
  repository: 8d0f6d4e-6a5b-4c1e-9a57-0d9d0f1c2b3a
  roles:
    root: {{principals: [{ann}], threshold: 1}}
    release: {{principals: [{ann}], threshold: 1}}
  paths:
    - {{match: "**", roles: [release]}}
  images:
    signatures:
      - repositories: ["{host}/*"]
        keys:
          - |
{pem}
"""


def by_digest(story: Story, image: str) -> str:
    found: list[str] = story.client.images.get(story.images[image]).attrs["RepoDigests"]
    return found[0]


def sign(image: str, signer: ImageSigner) -> None:
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    raw = signer.payload(digest, name)
    Shelf(host, path).push_payload(image, (raw, signer.sign(raw)))


def test_an_image_that_the_key_did_not_sign_does_not_replace_one_that_it_did(
    story: Story, lab_registry: Registry
) -> None:
    good, bad = by_digest(story, "one"), by_digest(story, "two")
    sign(good, CI)
    sign(bad, MALLORY)
    pem = "\n".join(f"            {line}" for line in CI.pem.splitlines())
    story.write("trust/policy.yaml", POLICY.format(ann=story.ann.email, host=lab_registry.host, pem=pem))
    line = story.ann.allowed_signers_line.replace('namespaces="git"', NAMESPACES)
    story.write("trust/allowed_signers", f"{line}\n")
    anchor = story.push("The policy")
    settings = f"{{mode: commits, policy: repository, anchor: {anchor}}}"
    story.settings("{mode: commits, allowedSigners: allowed_signers}", settings)

    story.app("web", image=good)
    story.push("A signed image")
    story.converge()
    before = story.seen()
    assert list(before) == [story.container_name("web")]

    story.app("web", image=bad)
    story.push("An image that somebody else signed")
    done = story.once()
    assert done.returncode == 11, done.stderr
    assert "IMAGE_SIGNATURE" in done.stderr
    assert "/services/serve/image" in done.stderr
    assert story.seen() == before
    assert story.report().condition("Rendered").reason
    # By its tag, nobody can sign for it.
    story.app("web", good.partition("@")[0] + ":latest")
    story.push("By a tag")
    assert "IMAGE_TAG" in story.once().stderr

    # The registry is away: what runs is signed, and is healed.
    story.app("web", image=good)
    story.push("Back again")
    lab_registry.stop()
    try:
        story.container("web").remove(force=True)
        story.converge()
    finally:
        lab_registry.start()
    assert story.seen()[story.container_name("web")].image == before[story.container_name("web")].image

    # CI signs it as well.
    sign(bad, CI)
    story.app("web", image=bad)
    story.push("Signed by CI now")
    story.converge()
    assert story.seen()[story.container_name("web")].image != before[story.container_name("web")].image
