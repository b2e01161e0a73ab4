package boot

import (
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

// readUfw puts ufw's files together as it does at boot (src/ufw-init-functions): its
// own rules for what comes in, those of "ufw allow" in their midst, then the policy.
func readUfw(files host.Files, _ string) (Firewall, bool, error) {
	f := Firewall{Name: "ufw", Files: map[bool]string{false: "/etc/ufw/user.rules", true: "/etc/ufw/user6.rules"}, Listing: map[bool]string{}}
	on, err := setting(files, "/etc/ufw/ufw.conf", "ENABLED")
	if err != nil || strings.ToLower(on) != "yes" {
		return f, false, err
	}
	policy, err := setting(files, "/etc/default/ufw", "DEFAULT_INPUT_POLICY")
	if err != nil {
		return f, false, err
	}
	six, err := setting(files, "/etc/default/ufw", "IPV6")
	if err != nil {
		return f, false, err
	}
	if f.Listing[false], err = ufwListing(files, "ufw", "", policy); err == nil && strings.ToLower(six) == "yes" {
		f.Listing[true], err = ufwListing(files, "ufw6", "6", policy)
	}
	return f, true, err
}

// ufwListing is that of a family; name begins the chains' names, number ends the files'.
func ufwListing(files host.Files, name, number, policy string) (string, error) {
	if policy != "ACCEPT" {
		policy = "DROP" // REJECT is a rule at the end
	}
	parts := map[string]string{}
	for _, part := range []string{"before", "user", "after"} {
		lines, err := readLines(files, "/etc/ufw/"+part+number+".rules")
		if err != nil {
			return "", err
		}
		parts[part] = filterLines(lines)
	}
	in := func(part string) string { return name + "-" + part + "-input" }
	return strings.Join([]string{
		"*filter", ":INPUT " + policy,
		":" + name + "-logging-deny -", ":" + name + "-logging-allow -", ":" + name + "-skip-to-policy-input -",
		"-A " + name + "-skip-to-policy-input -j " + policy,
		"-A INPUT -j " + in("before"), parts["before"], "-A " + in("before") + " -j " + in("user"), parts["user"],
		"-A INPUT -j " + in("after"), parts["after"],
	}, "\n") + "\n", nil
}

// filterLines are those of the table filter.
func filterLines(lines []string) string {
	var all []string
	table := "filter"
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "*") {
			table = line[1:]
		} else if table == "filter" && (strings.HasPrefix(line, ":") || strings.HasPrefix(line, "-A ")) {
			all = append(all, line)
		}
	}
	return strings.Join(all, "\n")
}
