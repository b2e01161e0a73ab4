package boot

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// NetworkOf returns the .network file by which systemd-networkd manages the
// interface with this index, empty when it does not (sd_link_get_network_file, which
// reads the same file).
func NetworkOf(files host.Files, index int) string {
	text, err := files.ReadFile("/run/systemd/netif/links/" + strconv.Itoa(index))
	if err != nil {
		return ""
	}
	file, managed := "", false
	settings(string(text), func(_ int, _, key, value string) {
		switch key {
		case "ADMIN_STATE":
			managed = value == "configured" || value == "configuring"
		case "NETWORK_FILE":
			file = value
		}
	})
	if !managed {
		return ""
	}
	return file
}

// networkDirs hold the drop-ins of .network files.
var networkDirs = []string{"/etc/systemd/network", "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network", "/lib/systemd/network"}

// KeepsForeign tells whether a .network file or one of its drop-ins lets addresses
// stay that systemd-networkd has not configured (KeepConfiguration=).
func KeepsForeign(files host.Files, network string) bool {
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
