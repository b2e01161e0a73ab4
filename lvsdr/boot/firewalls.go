package boot

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Firewall is what loads rules of the packet filter at boot, as its files say.
type Firewall struct {
	Name string // "firewalld", "ufw", "nftables", "iptables"
	Unit string // that is enabled
	// Files are what somebody edits, for IPv6 (true) or not.
	Files map[bool]string
	// Listing is what ufw and iptables load of the table filter, in the words of
	// iptables-save(8), by file. Without one nothing is filtered there.
	Listing map[bool]string
	// Lets tells of firewalld and nftables whether they let an opening in, and which
	// zone, or chain ("inet filter input"), it is that does not.
	Lets func(host.Opening) (lets Answer, where string)
}

// An Answer is what files say. It is [Unknown] where they say it in words that are not
// read here.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

const systemdFolder = "/etc/systemd/system/"

// Firewalls are those that are enabled. The interface is the one on the LAN.
func Firewalls(files host.Files, link string) (all []Firewall, err error) {
	units, err := enabledUnits(files)
	if err != nil {
		return nil, err
	}
	for unit, read := range map[string]func(host.Files, string) (Firewall, bool, error){
		"firewalld.service": readFirewalld, "ufw.service": readUfw, "nftables.service": readNftables,
		"netfilter-persistent.service": readIptables("/etc/iptables/rules.v4", "/etc/iptables/rules.v6"),
		"iptables.service":             readIptables("/etc/sysconfig/iptables", ""),
		"ip6tables.service":            readIptables("", "/etc/sysconfig/ip6tables"),
	} {
		if !slices.Contains(units, unit) {
			continue
		}
		f, used, err := read(files, link)
		if err != nil {
			return nil, err
		}
		if f.Unit = unit; used {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b Firewall) int { return strings.Compare(a.Unit, b.Unit) })
	return all, nil
}

// enabledUnits are the units that a target wants and nobody has masked.
func enabledUnits(files host.Files) (units []string, err error) {
	folders, err := files.ReadDir(systemdFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, folder := range folders {
		if !strings.HasSuffix(folder, ".target.wants") {
			continue
		}
		names, err := files.ReadDir(systemdFolder + folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, name := range names {
			if target, err := files.Readlink(systemdFolder + name); err != nil || target != "/dev/null" {
				units = append(units, name)
			}
		}
	}
	return units, err
}

// readIptables reads what iptables-save(8) has written.
func readIptables(v4, v6 string) func(host.Files, string) (Firewall, bool, error) {
	return func(files host.Files, _ string) (Firewall, bool, error) {
		f := Firewall{Name: "iptables", Files: map[bool]string{false: v4, true: v6}, Listing: map[bool]string{}}
		for six, name := range f.Files {
			lines, err := readLines(files, name)
			if err != nil {
				return f, false, err
			}
			if name != "" && len(lines) > 0 {
				f.Listing[six] = strings.Join(lines, "\n")
			}
		}
		return f, len(f.Listing) > 0, nil
	}
}

// setting is the last value of a key in a file of the shell's assignments.
func setting(files host.Files, file, key string) (value string, err error) {
	lines, err := readLines(files, file)
	for _, line := range lines {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), "="); ok && name == key {
			value = strings.Trim(text, `"' `)
		}
	}
	return value, err
}
