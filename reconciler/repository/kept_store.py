"""A store on the device that outlives power cuts, bad disks and servers of another object format."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from reconciler.errors import GitError
from reconciler.repository.bare import init_bare, is_whole, set_aside
from reconciler.repository.git import Git
from reconciler.repository.store import Store

_OTHER_FORMAT = "mismatched algorithms"
# A server that says something else each time must not have the store looked at for ever.
_MOST_WORDS = 100


class KeptStore(Store):
    """A cache of what a server has: where it cannot be read any more, it is made anew.

    `may_forget`: nothing in it is needed while no server answers.
    """

    def __init__(self, git_dir: Path, *, may_forget: bool = False) -> None:
        super().__init__(git_dir)
        self._may_forget = may_forget
        # What git complained of when the store was looked at, and was whole.
        self._whole_in_spite_of = set[str]()

    def renew_if_damaged(self) -> bool:
        """Make it anew if anything in it cannot be read; was it?

        Not by git-fsck(1), which in packs makes no difference between that and what somebody once wrote, such as a date
        that is none.
        """
        if not self._is_damaged() and not self._is_torn():
            return False
        self._make_anew()
        return True

    def change_format(self) -> bool:
        """Make the store anew in the other object format, as a server demands; False, when it holds what is needed."""
        if not self._may_forget and not self._is_empty():
            return False
        self._make_anew("sha1" if self._format() == "sha256" else "sha256")
        return True

    def tidy(self) -> None:
        """Pack what many fetches left, once there is much of it; nothing is ever pruned that is not in a pack."""
        options = {"gc.auto": "500", "gc.pruneExpire": "never", "gc.autoDetach": "false"}
        with contextlib.suppress(GitError):  # it can wait: the pass is done, and the next one tries again
            Git(self._git_dir, options).run("gc", "--auto", "--quiet")

    def _mend(self, act: Callable[[], None]) -> None:
        """Do it; once more on a store that is made anew, where this one is damaged, or new and of another format.

        What git says proves nothing: a server may send the same words, and would have us forget. So the store itself is
        asked, once for whatever git says again and again.
        """
        init_bare(self._git_dir)
        try:
            act()
        except GitError as error:
            told = str(error)
            if _OTHER_FORMAT in told:
                if not self.change_format():
                    raise
            elif self._is_news(told) and self._is_damaged():
                self._make_anew()
            else:
                raise
            act()

    def _is_news(self, told: str) -> bool:
        if told in self._whole_in_spite_of or len(self._whole_in_spite_of) >= _MOST_WORDS:
            return False
        self._whole_in_spite_of.add(told)
        return True

    def _make_anew(self, object_format: str = "sha1") -> None:
        set_aside(self._git_dir)
        init_bare(self._git_dir, object_format)
        # Of another store, the same words are news.
        self._whole_in_spite_of.clear()

    def _format(self) -> str:
        return Git(self._git_dir).run("rev-parse", "--show-object-format").decode().strip()

    def _is_empty(self) -> bool:
        """Was nothing ever fetched?"""
        code, out, _ = Git(self._git_dir).attempt("for-each-ref", "--count=1")
        return code == 0 and not out

    def _is_damaged(self) -> bool:
        """Can a commit or folder that refs lead to not be read, or what git knows of the store itself?

        Nor may anything be empty that no ref leads to: git stumbles over it when it comes again.
        """
        if any(path.stat().st_size == 0 for path in self._git_dir.glob("objects/??/*")):
            return True
        return Git(self._git_dir).fails("rev-list", "--objects", "--quiet", "--all")

    def _is_torn(self) -> bool:
        """Is the content of any object not that of its name?"""
        packs = [str(path) for path in (self._git_dir / "objects/pack").glob("*.idx")]
        if packs and Git(self._git_dir).fails("verify-pack", *packs):
            return True
        return not all(map(is_whole, self._git_dir.glob("objects/??/*")))
