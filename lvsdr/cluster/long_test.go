package cluster_test

import (
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// A word of megabytes is not repeated in the error about it, wherever it stands.
func TestLongWordsAreCut(t *testing.T) {
	long := strings.Repeat("x", 5<<20)
	for name, text := range map[string]string{
		"value": "services: [{vip: " + long + "}]\n", "key": "services: []\n" + long[:1000] + ": 1\n",
		"firewall": "services: [{vip: 10.10.10.22}]\nfirewall: " + long + "\n", "no YAML": long,
		"address": "services: [{vip: 10.10.10.22, realServers: [{address: " + long + "}]}]\n",
	} {
		if _, err := cluster.ParseConfig("c.yaml", []byte(text)); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d characters", name, len(err.Error()))
		}
	}
}
