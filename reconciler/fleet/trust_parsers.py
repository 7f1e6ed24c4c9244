"""The options of `fleet policy`, `fleet release` and `fleet bundle`."""

import argparse
from pathlib import Path

from reconciler.fleet import bundle
from reconciler.fleet import policy_commands as policy
from reconciler.fleet import release_commands as release
from reconciler.fleet.approve_command import approve
from reconciler.terminal import Parser, from_one_to
from signing.documents import DEFAULT_BRANCH, NAME

_POLICY = """\
The policy says who may say what, in trust mode `release`. People edit trust/policy.yaml and trust/allowed_signers;
a version of it counts when quorums of its role `root`, of the version before and its own, have signed it.

  fleet policy propose     make the next version out of the files; the digest of the first is the anchor of devices
  fleet policy sign        look at what it changes, and sign it
  fleet policy show        the version in force, and the anchor
"""
_RELEASE = """\
A release says which files devices of a channel shall have. It counts when its quorum has signed it, however the commit
came to be: squashed, rebased, merged by a button.

  fleet release prepare    make the next one out of a commit
  fleet release sign       look at what it does on every device, and sign it
  fleet release verify     would a device obey it?
  fleet release list       all of them, and what they wait for
  fleet release freshen    say that the newest is still the newest
"""


_APPROVE = """\
Approve what a branch changes: sign that its files may follow the newest commit of the branch that devices obey. Devices
with `trust.policy: repository` then follow it squashed or merged, when all have signed who must. It is for the newest
commit only: when something else is merged first, bring the branch up to date and approve again.
"""


def add_policy(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = commands.add_parser("policy", help="who may say what: propose, sign and show the policy")
    parser.description, parser.formatter_class = _POLICY, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    propose = actions.add_parser("propose", help="make the next version out of trust/policy.yaml")
    propose.set_defaults(run=policy.propose)
    sign = actions.add_parser("sign", help="sign the version that waits")
    sign.add_argument("version", type=int, nargs="?", help="default: the highest")
    _key_arguments(sign)
    sign.set_defaults(run=policy.sign)
    show = actions.add_parser("show", help="the version in force, and the anchor")
    _output_argument(show)
    show.set_defaults(run=policy.show)
    for one in (propose, sign, show):
        _branch_arguments(one)


def add_release(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = commands.add_parser("release", help="what devices shall have: prepare, sign, verify and list releases")
    parser.description, parser.formatter_class = _RELEASE, argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    prepare = actions.add_parser("prepare", help="make the next release out of a commit")
    prepare.add_argument("--commit", default="HEAD", help="what shall be released; default: HEAD")
    prepare.add_argument("--seq", type=from_one_to(10**15 - 1), default=0, help="its number; default: the next one")
    prepare.add_argument("--days", type=from_one_to(3650), default=90, help="how long devices may take it; default: 90")
    prepare.add_argument("--min-agent", default="", metavar="VERSION", help="older reconcilers refuse it")
    prepare.set_defaults(run=release.prepare)
    sign = actions.add_parser("sign", help="look at what it does on every device, and sign it")
    verify = actions.add_parser("verify", help="would a device obey it?")
    for one in (sign, verify):
        one.add_argument("seq", type=int, nargs="?", help="its number; default: the highest")
    _key_arguments(sign)
    sign.set_defaults(run=release.sign)
    _output_argument(verify)
    verify.set_defaults(run=release.verify)
    listing = actions.add_parser("list", help="all of them, and what they wait for")
    _output_argument(listing)
    listing.set_defaults(run=release.show_list)
    freshen = actions.add_parser("freshen", help="say that the newest is still the newest")
    _key_arguments(freshen)
    freshen.set_defaults(run=release.freshen)
    for one in (prepare, sign, verify, freshen):
        one.add_argument("--channel", type=_channel, default="main", help="default: main")
    for one in (prepare, sign, verify, listing, freshen):
        _branch_arguments(one)


def add_approve(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = commands.add_parser("approve", help="say that a branch may be merged, where devices ask for roles")
    parser.description, parser.formatter_class = _APPROVE, argparse.RawDescriptionHelpFormatter
    parser.add_argument("revision", nargs="?", default="HEAD", help="what shall be merged; default: HEAD")
    parser.add_argument("--onto", default="main", metavar="NAME", help="the branch that devices obey; default: main")
    parser.add_argument("--show", action="store_true", help="only show who has approved it; exit code 40 if too few")
    _key_arguments(parser)
    _branch_arguments(parser)
    _output_argument(parser)
    parser.set_defaults(run=approve)


def add_bundle(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "what devices fetch, in one file, for those that no network reaches"
    parser = commands.add_parser("bundle", help=text, description=text)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="write it; a device takes it with `reconciler import`")
    create.add_argument("file", type=Path, metavar="FILE")
    create.add_argument("--branch", default="main", help="what devices obey; default: main")
    create.add_argument("--releases", default=DEFAULT_BRANCH, help=f"the documents; default: {DEFAULT_BRANCH}")
    create.add_argument("--tags", default="", metavar="PREFIX", help="the tags that begin so, too, for mode `tag`")
    create.add_argument(
        "--since", action="append", default=[], metavar="COMMIT", help="leave out what this holds; may be repeated"
    )
    create.add_argument("--no-fetch", action="store_true", help="do not ask the remote for what is newest")
    create.set_defaults(run=bundle.create)


def _channel(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("a name of letters, digits, `.`, `_` and `-`")
    return text


def _key_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="private key, or FILE.pub for one in an agent or on a token;"
        " default: git's user.signingKey",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _branch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--branch", default=DEFAULT_BRANCH, help=f"where documents lie; default: {DEFAULT_BRANCH}")
    parser.add_argument("--no-fetch", action="store_true", help="do not ask the remote what others have added")


def _output_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
