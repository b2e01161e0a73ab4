package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
)

// lasts tells whether a configuration can be read again at boot: nil where it can. An
// error of type [*doctor.AtBootWarning] is no more than a warning.
func (s *session) lasts(src *source) error {
	switch {
	case src.file == "":
		return nil
	case !utf8.ValidString(src.file):
		return usage("--config %q: the name is not UTF-8, and systemd would ignore the unit's command at boot", src.file)
	case isBelow(src.file, "/dev", "/proc", "/sys"):
		return &usageError{text: "--config " + src.file + ": it cannot be read again at boot",
			hint: "keep the cluster in a file, " + defaultConfig + " for instance; or change the running host only: --runtime"}
	case isBelow(src.file, s.sys.fleeting...):
		return &doctor.AtBootWarning{What: src.file + " is gone after a reboot, and with it what the unit needs at boot",
			Advice: "keep it elsewhere, " + defaultConfig + " for instance, and set up again"}
	}
	if who := s.sys.writers(src.file); who != "" {
		return &doctor.AtBootWarning{What: who + ": whoever changes it decides what this host is at the next boot",
			Advice: "give the file and its folders to root alone: chown root, chmod go-w"}
	}
	return nil
}

func isBelow(name string, dirs ...string) bool {
	name = filepath.Clean(name)
	for _, dir := range dirs {
		if strings.HasPrefix(name, dir+"/") {
			return true
		}
	}
	return false
}

// writersOf tells who but root may change a file, by its own rights or those of the
// folders above it; empty where nobody may. A folder with the sticky bit keeps its files.
func writersOf(name string) string {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return ""
	}
	for at := name; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return ""
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return ""
		}
		switch mode := info.Mode(); {
		case owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
			return fmt.Sprintf("%s is the user's with number %d", at, owner.Uid)
		case at != name && mode&fs.ModeSticky != 0:
		case mode.Perm()&0o002 != 0:
			return fmt.Sprintf("others may write %s (%v)", at, mode.Perm())
		case mode.Perm()&0o020 != 0 && owner.Gid != 0:
			return fmt.Sprintf("the group with number %d may write %s (%v)", owner.Gid, at, mode.Perm())
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}
