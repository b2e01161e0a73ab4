package keepalived

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const flawless = `global_defs {
	lvs_flush
}
vrrp_instance VI_1 {
	state BACKUP
	nopreempt
	interface eth0
	authentication {
		auth_type PASS
		auth_pass 12345678
	}
	virtual_ipaddress {
		10.10.10.22
		10.10.10.23/32 dev eth1
	}
}
virtual_server 10.10.10.22 80 {
	delay_loop 6
	lb_kind DR
	alpha
	real_server 10.10.10.31 80 {
		TCP_CHECK {
		}
	}
}
virtual_server 10.10.10.23 80 {
	real_server 10.10.10.31 80 {
		lvs_method DR
	}
}
`

// Each flaw is seen where it stands, and what is no flaw is not.
func TestFlaws(t *testing.T) {
	for _, test := range []struct {
		name, old, new string
		want           []string // kind line insert
	}{
		{name: "none"},
		{"no lb_kind", "\tlb_kind DR\n", "", []string{"0 17 lb_kind DR"}},
		{"misspelt", "lb_kind DR", "lb_knd DR", []string{"0 17 lb_kind DR"}},
		{"one real server without its own", "lvs_method DR", "weight 1", []string{"0 26 lb_kind DR"}},
		{"no delay_loop", "\tdelay_loop 6\n", "", []string{"1 17 delay_loop 6"}},
		{"a minute", "delay_loop 6", "delay_loop 60.5", []string{"1 18 "}},
		{"of the real servers", "\tdelay_loop 6\n\tlb_kind DR\n", "\tlb_kind DR\n\treal_server 10.10.10.32 80 {\n\t\tdelay_loop 5\n\t}\n", nil},
		{"no alpha", "\talpha\n", "", []string{"2 17 alpha"}},
		{"alpha of the check", "\talpha\n\treal_server 10.10.10.31 80 {\n\t\tTCP_CHECK {\n", "\treal_server 10.10.10.31 80 {\n\t\tTCP_CHECK {\n\t\talpha\n", nil},
		{"no checks", "\t\tTCP_CHECK {\n\t\t}\n", "", nil},
		{"strict", "lvs_flush", "vrrp_strict", []string{"3 2 "}},
		{"strict, but for the instance", "\tlvs_flush\n}\nvrrp_instance VI_1 {", "\tvrrp_strict\n}\nvrrp_instance VI_1 {\n\tstrict_mode off", nil},
		{"strict by the instance", "state BACKUP", "state BACKUP\n\tstrict_mode", []string{"3 6 "}},
		{"nopreempt of a MASTER", "state BACKUP", "state MASTER", []string{"4 6 "}},
		{"long password", "12345678", "123456789", []string{"5 10 "}},
		{"twice", "virtual_server 10.10.10.22 80", "vrrp_instance VI_2 {\n\tvirtual_ipaddress {\n\t\t10.10.10.22/24\n\t}\n}\nvirtual_server 10.10.10.22 80", []string{"6 19 "}},
	} {
		text := strings.Replace(flawless, test.old, test.new, 1)
		c, err := Parse("keepalived.conf", []byte(text), Options{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var got []string
		for _, f := range c.Flaws() {
			got = append(got, fmt.Sprint(int(f.Kind), " ", f.Line, " ", f.Insert))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
