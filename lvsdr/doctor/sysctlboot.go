package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/boot"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

var sysctlBoot = &Check{
	Code:  "sysctl-boot",
	Title: "what the files set at boot is what this host needs",
	Why:   "What only the running kernel has is gone after a reboot, and a later file's value comes back with the next \"sysctl --system\".",
	Step:  step.Sysctls,
	Run: func(ctx context.Context, e *Exam) ([]Problem, error) {
		if e.Stage == BeforeSetUp {
			return skip("set-up is to write it"), nil
		}
		here, err := e.WasSetUp()
		if err != nil {
			return nil, err
		}
		lasting, err := e.lasting()
		switch {
		case err != nil:
			return nil, err
		case lasting:
			return e.roleAtBoot(ctx)
		case here:
			return skip("set up with --runtime, which is to leave nothing over a reboot"), nil
		case e.Role == cluster.RealServerRole:
			return e.arpAtBoot(ctx)
		}
		return e.tableAtBoot()
	},
}

// roleAtBoot judges what lvsdr has set up for the role: every key has its value in
// the end, and no interface's own outdoes it.
func (e *Exam) roleAtBoot(ctx context.Context) ([]Problem, error) {
	atBoot, err := e.BootSysctls()
	if err != nil {
		return nil, err
	}
	links, err := e.Links(ctx)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	var unset []string
	report := bootReport{files: e.Host.Files, boot: atBoot, setUp: e.SetUpCommand(), own: step.DropInFile(e.Role)}
	for _, s := range step.SysctlsOf(e.Role, e.Config) {
		all := s.Value
		last, ok := atBoot.Last(s.Key)
		switch {
		case !ok:
			unset = append(unset, host.SysctlName(s.Key))
		case !s.Serves(last.Value):
			report.add(s.Key, s.Value, s.Serves)
		default:
			all = last.Value
		}
		for _, key := range linkKeys(s, links) {
			report.add(key, all, func(v string) bool { return s.Serves(larger(all, v)) })
		}
	}
	if len(unset) > 0 {
		problems = append(problems, warning(e.SetUpCommand(), "no file sets %s at boot", strings.Join(unset, ", ")))
	}
	if e.Role == cluster.DirectorRole {
		e.conntrackAtBoot(&report)
	}
	return append(problems, report.problems()...), nil
}

// conntrackAtBoot: a director sees one direction of a connection; see ipvs-sysctl for
// the running value.
func (e *Exam) conntrackAtBoot(report *bootReport) {
	const key = "net/ipv4/vs/conntrack"
	if live, err := e.Host.Sysctl.Get(key); err == nil && live == "0" {
		report.add(key, "0", func(v string) bool { return v == "0" })
	}
}

// arpAtBoot judges a real server that somebody else has set up: whether ARP, silent
// for the VIP now, is silent after a reboot too.
func (e *Exam) arpAtBoot(ctx context.Context) ([]Problem, error) {
	lans, err := e.carriersOfVIPs(ctx)
	if err != nil || len(lans) == 0 {
		return skip("no IPv4 VIP is an address of this host"), err
	}
	var lost []string
	var fixes []string
	for _, lan := range lans {
		for _, s := range step.RoleSysctls(cluster.RealServerRole) {
			name, ok := strings.CutPrefix(s.Key, "net/ipv4/conf/all/arp_")
			if !ok {
				continue
			}
			what, fix, err := e.arpLost(s, lan, "arp_"+name)
			if err != nil {
				return nil, err
			}
			if what != "" {
				lost = append(lost, what)
			}
			if what != "" && !slices.Contains(fixes, fix) {
				fixes = append(fixes, fix)
			}
		}
	}
	if len(lost) == 0 {
		return nil, nil
	}
	if by, err := boot.Mentions(e.Host.Files, "arp_ignore", "arp_announce", "lvsdr setup"); err != nil || by != "" {
		return skip("%s may set arp_ignore and arp_announce at boot", by), err
	}
	return []Problem{warning(strings.Join(fixes, "\n"), "%s", strings.Join(lost, "; ")).yours()}, nil
}

// carriersOfVIPs are the LAN interfaces, each once, of the IPv4 VIPs that are
// addresses of this host.
func (e *Exam) carriersOfVIPs(ctx context.Context) ([]string, error) {
	var names []string
	for _, vip := range e.Config.VIPs() {
		if vip.Is6() {
			continue
		}
		at, err := e.AddressesOf(ctx, vip)
		if err != nil {
			return names, err
		}
		if len(at) == 0 {
			continue
		}
		inlets, err := e.inlets(ctx, vip)
		if err != nil && !errors.Is(err, ErrNoLAN) {
			return names, err
		}
		for _, l := range inlets {
			if err == nil && !l.NoARP && !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		}
	}
	return names, nil
}

// arpLost tells what becomes of a key of ARP that is right now on the interface, and
// how to keep it; empty when it stays right.
func (e *Exam) arpLost(s step.Sysctl, link, name string) (what, fix string, err error) {
	atBoot, err := e.BootSysctls()
	if err != nil {
		return "", "", err
	}
	all, own, fresh := "net/ipv4/conf/all/"+name, "net/ipv4/conf/"+link+"/"+name, "net/ipv4/conf/default/"+name
	var now [2]string
	for i, key := range []string{all, own} {
		if now[i], err = e.Host.Sysctl.Get(key); errors.Is(err, fs.ErrNotExist) {
			now[i] = "0"
		} else if err != nil {
			return "", "", err
		}
	}
	value := larger(now[0], now[1])
	ownKey := own
	if _, ok := atBoot.Last(own); !ok {
		ownKey = fresh
	}
	then := larger(bootValue(atBoot, all), bootValue(atBoot, ownKey))
	if !s.Serves(value) || s.Serves(then) {
		return "", "", nil // arp-ignore and arp-announce tell what is wrong now
	}
	what = fmt.Sprintf("%s counts as %s on %s now and as %s after a reboot", name, value, link, then)
	var lines []string
	for _, key := range []string{all, ownKey} {
		if last, ok := atBoot.Last(key); ok {
			what += fmt.Sprintf(" (%s:%d sets %s to %s)", last.File, last.Line, host.SysctlName(key), last.Value)
			lines = append(lines, silence(e.Host.Files, badLines(atBoot, key, s.Serves))...)
		}
	}
	if len(lines) == 0 {
		what += " (no file sets it)"
	}
	kept := all
	if now[0] != value { // other interfaces stay as they are
		kept = own
	}
	lines = append(lines, host.ShellLine("echo", host.SysctlName(kept)+" = "+value)+" >>/etc/sysctl.d/zz-lvs.conf")
	return what, strings.Join(lines, "\n"), nil
}

// tableAtBoot judges a director that somebody else has set up: IPVS's keys appear
// with its module, so that a file alone sets none of them.
func (e *Exam) tableAtBoot() ([]Problem, error) {
	atBoot, err := e.BootSysctls()
	if err != nil {
		return nil, err
	}
	report := bootReport{files: e.Host.Files, boot: atBoot, setUp: e.SetUpCommand()}
	e.conntrackAtBoot(&report)
	problems := report.problems()
	for _, line := range atBoot {
		if !strings.HasPrefix(line.Key, "net/ipv4/vs/") {
			continue
		}
		modules, err := e.bootModules()
		if err != nil {
			return nil, err
		}
		if !modules.Loads(ipvs.Module) {
			problems = append(problems, warning("echo ip_vs >>/etc/modules-load.d/ip_vs.conf",
				"%s:%d sets %s at boot before anything loads ip_vs, with which the key appears", line.File, line.Line, host.SysctlName(line.Key)).yours())
			break
		}
	}
	return problems, nil
}
