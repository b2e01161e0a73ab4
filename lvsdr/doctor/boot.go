package doctor

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var modulesBoot = &Check{
	Code:  "modules-boot",
	Title: "ip_vs and the schedulers are loaded at boot",
	Why:   "The sysctls of IPVS appear with its module: without it the boot cannot set them.",
	Step:  step.Modules,
	Run: func(_ context.Context, e *Exam) ([]Problem, error) {
		lasting, err := e.lasting()
		switch {
		case err != nil:
			return nil, err
		case e.Stage == BeforeSetUp || !lasting:
			return skip("lvsdr has not set this host up to last"), nil
		}
		var missing []string
		for _, name := range step.ModuleNames(e.Config) {
			loaded, err := e.loadedAtBoot(name)
			if err != nil {
				return nil, err
			}
			if !loaded {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			return []Problem{warning(e.SetUpCommand(), "nothing loads %s at boot: it is not in %s", strings.Join(missing, ", "), step.ModulesLoad)}, nil
		}
		return e.forbiddenModules()
	},
}

// forbiddenModules looks for what keeps a module from being loaded at boot:
// systemd-modules-load(8) heeds blacklists, which modprobe by hand does not.
func (e *Exam) forbiddenModules() ([]Problem, error) {
	lines, err := boot.ConfLines(e.Host.Files, boot.ModprobeDirs)
	var problems []Problem
	for _, name := range step.ModuleNames(e.Config) {
		for _, l := range lines {
			forbidden := len(l.Words) > 1 && strings.ReplaceAll(l.Words[1], "-", "_") == name &&
				(l.Words[0] == "blacklist" || l.Words[0] == "install" && isFalse(l.Words[2:]))
			if forbidden && strings.HasPrefix(l.File, "/etc/") {
				problems = append(problems, warning(commentOut(l.Number, l.File),
					"%s:%d keeps %s from being loaded at boot: %s", l.File, l.Number, name, strings.Join(l.Words, " ")))
			}
		}
	}
	return problems, err
}

func isFalse(command []string) bool {
	return len(command) > 0 && (path.Base(command[0]) == "false" || path.Base(command[0]) == "true")
}

// loadedAtBoot tells whether the module is there before the sysctls are set.
func (e *Exam) loadedAtBoot(module string) (bool, error) {
	lines, err := boot.ConfLines(e.Host.Files, boot.ModuleDirs)
	if err != nil {
		return false, err
	}
	for _, name := range []string{"/etc/modules", "/etc/initramfs-tools/modules"} {
		more, err := boot.LinesOf(e.Host.Files, name)
		if err != nil {
			return false, err
		}
		lines = append(lines, more...)
	}
	loads := func(l boot.FileLine) bool {
		return strings.ReplaceAll(l.Words[0], "-", "_") == module
	}
	if slices.ContainsFunc(lines, loads) {
		return true, nil
	}
	return e.loadedOtherwise(module)
}

// loadedOtherwise: built into the kernel, asked for on its command line, or part of
// an initial RAM disk of dracut.
func (e *Exam) loadedOtherwise(module string) (bool, error) {
	release, err := e.Host.Sysctl.Get("kernel/osrelease")
	if err == nil {
		text, err := e.Host.Files.ReadFile(path.Join("/lib/modules", release, "modules.builtin"))
		if err == nil && strings.Contains(string(text), "/"+module+".ko") {
			return true, nil
		}
	}
	for _, name := range append(boot.Listed(e.Host.Files, "/etc/dracut.conf.d"), "/etc/dracut.conf", "/proc/cmdline") {
		text, err := e.Host.Files.ReadFile(name)
		if err == nil && strings.Contains(string(text), module) {
			return true, nil
		}
	}
	return false, nil
}
