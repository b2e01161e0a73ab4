package step

import (
	"strings"
	"testing"
)

func FuzzParseDropIn(f *testing.F) {
	f.Add("# a comment\n#lvsdr:before net/ipv4/ip_forward=0\nnet.ipv4.ip_forward = 1\n")
	f.Add("#lvsdr:before net/ipv4/x=\n-net.ipv4.y = 1\n=2\n#lvsdr:before\n")
	f.Fuzz(func(t *testing.T, content string) {
		d := parseDropIn(content)
		for _, m := range []map[string]string{d.before, d.Set} {
			for key, value := range m {
				if key == "" || strings.ContainsAny(key+value, "\n") {
					t.Errorf("key %q, value %q", key, value)
				}
			}
		}
	})
}
