package boot

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// startScripts are files and folders of what runs at boot or when a network comes up.
var startScripts = []string{
	"/proc/cmdline", "/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d", "/etc/crontab", "/etc/cron.d",
	"/var/spool/cron/crontabs", "/etc/systemd/system", "/usr/local/lib/systemd/system",
	"/etc/network/interfaces", "/etc/network/interfaces.d", "/etc/network/if-pre-up.d", "/etc/network/if-up.d",
	"/etc/NetworkManager/dispatcher.d", "/etc/NetworkManager/dispatcher.d/pre-up.d",
	"/etc/networkd-dispatcher/routable.d", "/etc/networkd-dispatcher/configured.d",
	"/etc/sysconfig/network-scripts", "/etc/keepalived", "/etc/tuned", "/etc/udev/rules.d",
}

// mostScripts bounds how many scripts are read that others name: a crontab is any
// user's.
const mostScripts = 200

// Mentions returns a file that has one of the texts in it and runs at boot or when a
// network comes up, or a script that such a file names; empty when there is none. It
// fails when a file may not be read.
func Mentions(files host.Files, texts ...string) (string, error) {
	seen := map[string]bool{}
	for _, name := range startScripts {
		for _, file := range append([]string{name}, listed(files, name)...) {
			data, err := files.ReadFile(file)
			if err != nil {
				if errors.Is(err, fs.ErrPermission) {
					return "", err
				}
				continue // a folder, a dangling link, no regular file
			}
			if mentions(string(data), texts) {
				return file, nil
			}
			for _, script := range scripts(string(data)) {
				if seen[script] || len(seen) == mostScripts {
					continue
				}
				seen[script] = true
				if text, err := files.ReadFile(script); err == nil && mentions(string(text), texts) {
					return script, nil
				}
			}
		}
	}
	return "", nil
}

// listed are the files in a folder, none when it is no folder.
func listed(files host.Files, folder string) []string {
	names, err := files.ReadDir(folder)
	if err != nil {
		return nil
	}
	for i := range names {
		names[i] = path.Join(folder, names[i])
	}
	return names
}

func mentions(text string, wanted []string) bool {
	for _, w := range wanted {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// scripts are the programs that a text names by their path, in the places where an
// administrator puts his own.
func scripts(text string) []string {
	var all []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n=\"';&|()", r) }) {
		word = strings.TrimLeft(word, "-+@!:")
		for _, home := range []string{"/etc/", "/usr/local/", "/opt/", "/root/", "/home/"} {
			if strings.HasPrefix(word, home) {
				all = append(all, word)
			}
		}
	}
	return all
}
