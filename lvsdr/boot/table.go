package boot

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A TableOwner is a program other than lvsdr that is configured to fill the IPVS table.
type TableOwner struct {
	Name string // [Keepalived], or the unit "ipvsadm.service"
	File string // that has the virtual services
	Fix  string // the command that keeps it from doing so; empty: the file is to be edited
}

// TableOwners returns those whose files have a virtual service of one of the VIPs. That
// keepalived has a configuration does not say that it runs; ipvsadm's unit is told only
// when it is in use: Debian's looks at AUTO, Fedora's is enabled or not.
func TableOwners(files host.Files, vips []netip.Addr) ([]TableOwner, error) {
	var all []TableOwner
	serves, err := keepalivedServes(files, vips)
	if err != nil {
		return nil, err
	}
	if serves {
		all = append(all, TableOwner{Name: Keepalived, File: keepalivedConf})
	}
	unit, used, err := ipvsadmUnit(files)
	if err != nil || !used {
		return all, err
	}
	lines, err := readLines(files, unit.File)
	ours, others := servicesIn(lines, vips)
	if len(ours) == 0 {
		return all, err
	}
	if others { // which nobody else restores
		unit.Fix = withoutServices(unit.File, ours)
	}
	return append(all, unit), err
}

// keepalivedServes tells whether keepalived's configuration has a virtual server of
// one of the VIPs (keepalived.conf(5)).
func keepalivedServes(files host.Files, vips []netip.Addr) (bool, error) {
	lines, err := keepalivedLines(files, keepalivedConf)
	if err != nil {
		return false, err
	}
	inGroup := false
	for _, line := range lines {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "virtual_server" && len(words) > 1 && isAny(words[1], vips):
			return true, nil
		case words[0] == "virtual_server_group":
			inGroup = true
		case words[0] == "}":
			inGroup = false
		case inGroup && isAny(words[0], vips):
			return true, nil
		}
	}
	return false, nil
}

// isAny tells whether the text is one of the addresses.
func isAny(text string, addrs []netip.Addr) bool {
	addr, err := netip.ParseAddr(text)
	return err == nil && slices.Contains(addrs, addr)
}

// ipvsadmUnit is the distribution's unit that restores the table at boot.
func ipvsadmUnit(files host.Files) (unit TableOwner, used bool, err error) {
	const name = "ipvsadm.service"
	defaults, err := readLines(files, "/etc/default/ipvsadm")
	if err != nil {
		return TableOwner{}, false, err
	}
	if slices.ContainsFunc(defaults, func(line string) bool { return strings.Trim(line, `"' `) == `AUTO="true` || line == "AUTO=true" }) {
		return TableOwner{name, "/etc/ipvsadm.rules", `sed -i 's/^AUTO=.*/AUTO="false"/' /etc/default/ipvsadm`}, true, nil
	}
	_, err = files.Readlink("/etc/systemd/system/multi-user.target.wants/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return TableOwner{}, false, nil
	}
	return TableOwner{name, "/etc/sysconfig/ipvsadm", "systemctl disable " + name}, err == nil, err
}

// servicesIn are the services of the VIPs in a file of ipvsadm-save(8)'s, as it writes
// them ("-t 10.10.10.22:80"), and whether there are others.
func servicesIn(lines []string, vips []netip.Addr) (ours []string, others bool) {
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) < 3 || words[0][0] != '-' {
			continue
		}
		at, err := netip.ParseAddrPort(words[2])
		switch service := words[1] + " " + words[2]; {
		case err != nil || !slices.Contains(vips, at.Addr()):
			others = true
		case !slices.Contains(ours, service):
			ours = append(ours, service)
		}
	}
	return ours, others
}

// withoutServices is the command that takes services out of such a file.
func withoutServices(file string, services []string) string {
	var scripts []string
	for _, s := range services {
		scripts = append(scripts, `/^-[Aa] `+strings.NewReplacer(".", `\.`, "[", `\[`, "]", `\]`).Replace(s)+` /d`)
	}
	return host.ShellLine("sed", "-i", strings.Join(scripts, ";"), file)
}
