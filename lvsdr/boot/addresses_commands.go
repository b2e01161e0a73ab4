package boot

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// bootCommands are the files of commands that run at boot, with the scripts that they
// name: rc.local and the enabled units of an administrator.
func bootCommands(files host.Files) (names []string) {
	roots := []string{"/etc/rc.local", "/etc/rc.d/rc.local"}
	const units = "/etc/systemd/system"
	for _, wants := range ending(".wants", listed(files, units)) {
		for _, unit := range ending(".service", listed(files, wants)) {
			if name := path.Join(units, path.Base(unit)); !slices.Contains(roots, name) {
				roots = append(roots, name)
			}
		}
	}
	for _, root := range roots {
		names = append(names, root)
		text, err := files.ReadFile(root)
		if err != nil {
			continue
		}
		for _, script := range scripts(string(text)) {
			if len(names) < mostScripts && !slices.Contains(names, script) {
				names = append(names, script)
			}
		}
	}
	return names
}

// readCommands reads the addresses that a script or a unit brings up, with its own
// plain variables put in.
func readCommands(d Declaration, text string) (all []Declaration) {
	variables := map[string]string{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, command := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(";&|", r) }) {
			if name, value, ok := strings.Cut(strings.TrimSpace(command), "="); ok && !strings.ContainsAny(value, " \t") {
				variables[name] = strings.Trim(value, `"'`)
			}
			all = append(all, d.commanded(number, "", expand(command, variables))...)
		}
	}
	return all
}

func expand(text string, variables map[string]string) string {
	return os.Expand(text, func(name string) string {
		if value, ok := variables[name]; ok {
			return value
		}
		return "$" + name
	})
}

// commanded is the address that a command of ip-address(8) or ifconfig(8) brings up on
// link, unless it names another.
func (d Declaration) commanded(line int, link, command string) []Declaration {
	words := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(command))
	for i, w := range words {
		switch path.Base(w[strings.LastIndex(w, "=")+1:]) { // ExecStart=/sbin/ip
		case "ip":
			return d.byIP(line, link, words[i+1:])
		case "ifconfig":
			return d.byIfconfig(line, words[i+1:])
		}
	}
	return nil
}

func (d Declaration) byIP(line int, link string, words []string) []Declaration {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		words = words[1:]
	}
	if len(words) < 3 || !strings.HasPrefix("address", words[0]) ||
		!strings.HasPrefix("add", words[1]) && !slices.Contains([]string{"replace", "change"}, words[1]) {
		return nil
	}
	if i := slices.Index(words, "dev"); i >= 0 && i+1 < len(words) && !strings.HasPrefix(words[i+1], "$") {
		link = words[i+1]
	}
	for _, w := range words[2:] {
		if found := d.at(line, link, w); found != nil {
			return found
		}
	}
	return nil
}

func (d Declaration) byIfconfig(line int, words []string) []Declaration {
	if len(words) < 2 || slices.Contains(words, "del") || slices.Contains(words, "down") {
		return nil
	}
	for i, w := range words[1:] {
		if i > 0 && !slices.Contains([]string{"add", "inet", "inet6", "up"}, words[i]) {
			return nil // the value of "netmask", "broadcast"
		}
		if found := d.at(line, words[0], w); found != nil {
			return found
		}
	}
	return nil
}
