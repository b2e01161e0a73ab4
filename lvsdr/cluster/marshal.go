package cluster

import (
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v4"
)

// MarshalYAML writes the sorry server, too: an address has no public field, which yaml's
// omitempty takes for empty, whatever it is.
func (s Service) MarshalYAML() (any, error) {
	type plain Service
	return withAddress(plain(s), "sorryServer", s.SorryServer, "inhibit", "realServers")
}

// MarshalYAML writes the group, too, as [Service.MarshalYAML] the sorry server.
func (s Sync) MarshalYAML() (any, error) {
	type plain Sync
	return withAddress(plain(s), "group", s.Group, "port")
}

// withAddress puts a key with an address before the first of those that follow it.
func withAddress(value any, key string, a netip.Addr, following ...string) (any, error) {
	if !a.IsValid() {
		return value, nil
	}
	var n yaml.Node
	if err := n.Encode(value); err != nil {
		return nil, err
	}
	at := 0
	for at < len(n.Content) && !slices.Contains(following, n.Content[at].Value) {
		at += 2
	}
	var name, text yaml.Node
	name.SetString(key)
	text.SetString(a.String())
	n.Content = slices.Insert(n.Content, at, &name, &text)
	return &n, nil
}
