package main

import (
	"path/filepath"
	"strings"
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
