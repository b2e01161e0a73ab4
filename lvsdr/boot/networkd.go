package boot

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A Network is what systemd-networkd does with an interface that it manages.
type Network struct {
	File string // the .network file, absolute
	// KeepsForeign: addresses that it has not configured itself stay when it starts
	// (KeepConfiguration= in the file or a drop-in). True also where a file cannot be read.
	KeepsForeign bool
}

// NetworkOf returns what systemd-networkd does with the interface of that index; managed
// is false when it has nothing to do with it. It reads the state files that
// sd_link_get_network_file reads.
func NetworkOf(files host.Files, index int) (n Network, managed bool) {
	text, err := files.ReadFile("/run/systemd/netif/links/" + strconv.Itoa(index))
	if err != nil {
		return Network{}, false
	}
	settings(string(text), func(_ int, _, key, value string) {
		switch key {
		case "ADMIN_STATE":
			managed = value == "configured" || value == "configuring"
		case "NETWORK_FILE":
			n.File = value
		}
	})
	if !managed || n.File == "" {
		return Network{}, false
	}
	n.KeepsForeign = keepsForeign(files, n.File)
	return n, true
}

// networkDirs hold the drop-ins of .network files.
var networkDirs = []string{"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"}

// keepsForeign tells whether a .network file or one of its drop-ins lets addresses
// stay that systemd-networkd has not configured (KeepConfiguration=).
func keepsForeign(files host.Files, network string) bool {
	var dirs []string
	for _, dir := range networkDirs {
		dirs = append(dirs, path.Join(dir, path.Base(network)+".d"), path.Join(dir, "network.d"))
	}
	names, err := confFiles(files, dirs)
	if err != nil {
		return true // not told
	}
	keeps := false
	for _, name := range append([]string{network}, names...) {
		text, err := files.ReadFile(name)
		if err != nil {
			return true
		}
		settings(string(text), func(_ int, section, key, value string) {
			if section == "Network" && key == "KeepConfiguration" {
				keeps = slices.Contains([]string{"yes", "true", "1", "on", "static"}, strings.ToLower(value))
			}
		})
	}
	return keeps
}
