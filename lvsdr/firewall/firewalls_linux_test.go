package firewall

import (
	"slices"
	"testing"
)

func TestHasIptables(t *testing.T) {
	tests := []struct {
		name     string
		tools    []string
		families []string // in the kernel
		want     bool
	}{
		{"neither command nor kernel", []string{"nft"}, nil, false},
		{"a command", []string{"ip6tables-nft"}, nil, true},
		{"a command without a variant", []string{"iptables"}, nil, true},
		{"the kernel without a command", nil, []string{"ip6"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tool := func(name string) string {
				if slices.Contains(tt.tools, name) {
					return "/sbin/" + name
				}
				return ""
			}
			if got := hasIptables(tool, func(f string) bool { return slices.Contains(tt.families, f) }); got != tt.want {
				t.Error(got)
			}
		})
	}
}
