package boot

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// settings are the lines of a file of "key = value" or "key value" with sections.
func settings(text string, each func(line int, section, key, value string)) {
	number, section := 0, ""
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if i := strings.IndexAny(line, " \t"); !ok && i >= 0 {
			key, value = line[:i], line[i:]
		}
		each(number, section, strings.TrimSpace(key), strings.TrimSpace(value))
	}
}

// readInterfaces reads interfaces(5), with ip(8) and ifconfig(8) in up and post-up, for the
// interfaces that are brought up by themselves.
func readInterfaces(d Declaration, text string) (all []Declaration) {
	auto := []string{}
	settings(text, func(_ int, _, key, value string) {
		if key == "auto" || strings.HasPrefix(key, "allow-") {
			auto = append(auto, strings.Fields(value)...)
		}
	})
	link := ""
	settings(text, func(line int, _, key, value string) {
		words := strings.Fields(value)
		switch {
		case key == "iface" && len(words) > 0:
			link = words[0]
		case !slices.Contains(auto, link):
		case key == "address":
			all = append(all, d.at(line, link, value)...)
		case key == "up" || key == "post-up" || key == "pre-up":
			all = append(all, d.commanded(line, link, value)...)
		}
	})
	return all
}

// readIfcfg reads a file of /etc/sysconfig/network-scripts that is brought up at boot.
func readIfcfg(d Declaration, text string) (all []Declaration) {
	link, boot := strings.TrimPrefix(path.Base(d.File), "ifcfg-"), true
	settings(text, func(_ int, _, key, value string) {
		switch value = strings.Trim(value, `"'`); {
		case key == "DEVICE":
			link = value
		case key == "ONBOOT":
			boot = !strings.EqualFold(value, "no")
		}
	})
	if !boot {
		return nil
	}
	settings(text, func(line int, _, key, value string) {
		if strings.HasPrefix(key, "IPADDR") || strings.HasPrefix(key, "IPV6ADDR") {
			addresses := strings.Fields(strings.Trim(value, `"'`))
			d.Fix = withoutAddress(d.File, line, len(addresses))
			for _, addr := range addresses {
				all = append(all, d.at(line, link, addr)...)
			}
		}
	})
	return all
}

// withoutAddress is the command that takes an address out of an ifcfg file: an alias
// is no more brought up; an interface, which has other addresses too, stays. There is
// none where the line has several.
func withoutAddress(file string, line, addresses int) string {
	switch {
	case strings.Contains(path.Base(file), ":"):
		return host.ShellLine("sed", "-i", "s/^ONBOOT=.*//;$aONBOOT=no", file)
	case addresses == 1:
		return host.ShellLine("sed", "-i", strconv.Itoa(line)+"s/^/#/", file)
	}
	return ""
}

// readNetplan reads the addresses of every kind of interface, also in the network
// configuration of cloud-init, version 1 and 2.
func readNetplan(d Declaration, text string) (all []Declaration) {
	var file struct {
		Network map[string]yaml.Node `yaml:"network"`
	}
	if yaml.Unmarshal([]byte(text), &file) != nil {
		return nil
	}
	for _, kind := range inOrder(file.Network) {
		all = append(all, readCloudLinks(d, kind)...)
		var links map[string]struct {
			Addresses []yaml.Node `yaml:"addresses"`
		}
		if kind.Decode(&links) != nil {
			continue // "version: 2"
		}
		for _, link := range slices.Sorted(maps.Keys(links)) {
			for _, n := range links[link].Addresses {
				if n.Kind == yaml.MappingNode && len(n.Content) > 0 { // with options
					n = *n.Content[0]
				}
				all = append(all, d.at(n.Line, link, n.Value)...)
			}
		}
	}
	return all
}

// readCloudLinks reads the list "config" of version 1.
func readCloudLinks(d Declaration, config yaml.Node) (all []Declaration) {
	var links []struct {
		Name    string `yaml:"name"`
		Subnets []struct {
			Address yaml.Node `yaml:"address"`
		} `yaml:"subnets"`
	}
	if config.Kind != yaml.SequenceNode || config.Decode(&links) != nil {
		return nil
	}
	for _, link := range links {
		for _, subnet := range link.Subnets {
			all = append(all, d.at(subnet.Address.Line, link.Name, subnet.Address.Value)...)
		}
	}
	return all
}

// inOrder are the values of a map by its keys: the same at every reading.
func inOrder(all map[string]yaml.Node) []yaml.Node {
	var nodes []yaml.Node
	for _, key := range slices.Sorted(maps.Keys(all)) {
		nodes = append(nodes, all[key])
	}
	return nodes
}

// readNetwork reads systemd.network(5).
func readNetwork(d Declaration, text string) (all []Declaration) {
	link := ""
	settings(text, func(line int, section, key, value string) {
		switch {
		case section == "Match" && key == "Name":
			link = value
		case (section == "Network" || section == "Address") && key == "Address":
			all = append(all, d.at(line, link, value)...)
		}
	})
	return all
}

// readKeyfile reads nm-settings-keyfile(5): "address1=10.10.10.22/32,10.10.10.1".
func readKeyfile(d Declaration, text string) (all []Declaration) {
	link, boot := "", true
	settings(text, func(line int, section, key, value string) {
		switch {
		case section == "connection" && key == "interface-name":
			link = value
		case section == "connection" && key == "autoconnect":
			boot = value != "false"
		case strings.HasPrefix(section, "ipv") && strings.HasPrefix(key, "address"):
			addr, _, _ := strings.Cut(value, ",")
			all = append(all, d.at(line, link, addr)...)
		}
	})
	if !boot {
		return nil
	}
	return all
}

// readDhcpcd reads dhcpcd.conf(5).
func readDhcpcd(d Declaration, text string) (all []Declaration) {
	link := ""
	settings(text, func(line int, _, key, value string) {
		switch key {
		case "interface":
			link = value
		case "static ip_address", "static ip6_address":
			all = append(all, d.at(line, link, value)...)
		}
	})
	return all
}

// readKeepalived reads the virtual addresses of keepalived.conf(5), which a block
// lists one a line: "10.10.10.22/32 dev eth0 label eth0:0".
func readKeepalived(d Declaration, lines []string) (all []Declaration) {
	inside := false
	for _, line := range lines {
		words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(line))
		for i, w := range words {
			switch {
			case strings.HasPrefix(w, "virtual_ipaddress"):
				inside = true
			case w == "}":
				inside = false
			case inside && (i == 0 || words[i-1] == "{"):
				all = append(all, d.at(0, "", w)...)
			}
		}
	}
	return all
}
