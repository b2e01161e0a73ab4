package doctor

import (
	"context"
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
		atBoot, err := e.bootModules()
		if err != nil {
			return nil, err
		}
		missing := slices.DeleteFunc(step.ModuleNames(e.Config), atBoot.Loads)
		if len(missing) > 0 {
			return []Problem{warning(e.SetUpCommand(), "nothing loads %s at boot: it is not in %s", strings.Join(missing, ", "), step.ModulesLoad)}, nil
		}
		return e.forbiddenModules(atBoot), nil
	},
}

// bootModules is what the host's files say of kernel modules at boot.
func (e *Exam) bootModules() (boot.Modules, error) {
	release, err := e.Host.Sysctl.Get("kernel/osrelease")
	if err != nil {
		release = "" // none is known to be built in
	}
	return boot.ReadModules(e.Host.Files, release)
}

// forbiddenModules tells of the administrator's lines that keep a module from being
// loaded at boot.
func (e *Exam) forbiddenModules(atBoot boot.Modules) []Problem {
	var problems []Problem
	for _, name := range step.ModuleNames(e.Config) {
		for _, l := range atBoot.Forbids(name) {
			if strings.HasPrefix(l.File, "/etc/") {
				problems = append(problems, warning(commentOut(l.Number, l.File),
					"%s:%d keeps %s from being loaded at boot: %s", l.File, l.Number, name, strings.Join(l.Words, " ")).yours())
			}
		}
	}
	return problems
}
