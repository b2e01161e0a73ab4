package doctor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"
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
		problems, err := e.otherRows()
		return append(e.forbiddenModules(atBoot), problems...), err
	},
}

// otherRows tells that the table of connections has not the size that is described.
// Kernels with conn_lfactor begin with fewer rows and end there.
func (e *Exam) otherRows() ([]Problem, error) {
	const parameter = "/sys/module/ip_vs/parameters/conn_tab_bits"
	want := e.Config.Tuning.ConnTabBits
	data, err := e.Host.Files.ReadFile(parameter)
	if has := strings.TrimSpace(string(data)); want != 0 && err == nil && has != strconv.Itoa(want) {
		p := warning("", "IPVS's table of connections has 2^%s rows, tuning.connTabBits has 2^%d written into %s", has, want, step.ModuleOptions)
		p.Advice = "It counts from when ip_vs is loaded the next time: reboot this host when it may rest. Where it was rebooted since, another file of " +
			"modprobe.d(5) or the kernel's command line (ip_vs.conn_tab_bits=) says otherwise, or the kernel, since 6.5, found its memory too small for more"
		return []Problem{p}, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // ip_vs is not loaded, or has no such parameter
	}
	return nil, err
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
