package firewall

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
)

const (
	publicService = `<?xml version="1.0" encoding="utf-8"?>
<service>
  <short>LVS 10.10.10.22</short>
  <description>Written by lvsdr, which removes it with lvsdr teardown. lvsdr:before zone public: no file in /etc</description>
  <port port="80" protocol="tcp"/>
  <port port="53" protocol="udp"/>
  <protocol value="vrrp"/>
  <destination ipv4="10.10.10.22"/>
</service>
`
	// As the package has it, and as firewalld writes it.
	publicZone  = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<zone>\n  <short>Public</short>\n  <service name=\"ssh\"/>\n  <forward/>\n</zone>\n"
	publicRules = `<?xml version="1.0" encoding="utf-8"?>
<zone>
  <short>Public</short>
  <service name="ssh"/>
  <service name="lvsdr"/>
  <rule family="ipv4" priority="76">
    <destination address="10.10.10.22"/>
    <icmp-type name="fragmentation-needed"/>
    <accept/>
  </rule>
  <forward/>
</zone>
`
	// Of somebody else: a service of that name in another folder, rules like ours.
	workZone = `<zone target="DROP"><service name="lvsdr-tools"/><rule family="ipv4" priority="76"><destination address="10.10.10.22"/>` +
		`<icmp-type name="fragmentation-needed"/><log/><accept/></rule></zone>`
)

// memory are files by name.
type memory map[string]string

func (m memory) ReadFile(name string) ([]byte, error) {
	text, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func (m memory) WriteFile(name string, data []byte, _ fs.FileMode) error {
	m[name] = string(data)
	return nil
}

func (m memory) Remove(name string) error {
	delete(m, name)
	return nil
}

func (m memory) ReadDir(dir string) (names []string, err error) {
	for name := range m {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// view has no more of a host's files than memory.
type view struct {
	memory
	others
}

type others struct{ host.Files }

// What a firewalld that does not run has of ours on disk goes, a file that was not there
// before with it, and nothing of anybody else.
func TestFirewalldStopped(t *testing.T) {
	const zone, service = "/etc/firewalld/zones/public.xml", "/etc/firewalld/services/lvsdr.xml"
	changed := strings.Replace(publicRules, `<service name="ssh"/>`, `<service name="https"/>`, 1)
	for name, test := range map[string]struct{ service, zone, after string }{
		"nothing":                      {"", "", ""},
		"no file before":               {publicService, publicRules, ""},
		"somebody has changed it":      {publicService, changed, strings.Replace(publicZone, "ssh", "https", 1)},
		"a file before, and no backup": {strings.Replace(publicService, "no file", "no backup", 1), publicRules, publicZone},
		"of somebody else":             {"<service><port port=\"80\" protocol=\"tcp\"/></service>", strings.Replace(publicZone, "ssh", "lvsdr", 1), ""},
		"no service":                   {"", publicRules, strings.Replace(publicZone, `ssh"/>`, "ssh\"/>\n  <service name=\"lvsdr\"/>", 1)},
		"no zone":                      {publicService, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := memory{}
			write := func(name, text string) {
				if text != "" {
					files[name] = text
				}
			}
			read := func(name string) string { return files[name] }
			write("/usr/lib/firewalld/zones/public.xml", publicZone)
			write("/etc/firewalld/zones/work.xml", workZone)
			write(zone, test.zone)
			write(service, test.service)
			write(service+".old", test.service)
			theirs := name == "of somebody else"
			if !theirs {
				write(zone+".old", test.zone)
			}
			f := firewalldFiles{view{memory: files}}
			gates, err := f.gates()
			if err != nil || (len(gates) == 0) != (name == "nothing" || theirs) {
				t.Errorf("%+v, %v", gates, err)
			}
			if test.service == publicService && test.zone == publicRules {
				if got, want := host.JoinOpenings(gates[0].Openings), "fragmentation-needed 10.10.10.22, tcp 10.10.10.22:80, udp 10.10.10.22:53 and 1 more"; got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
			if err := f.close(); err != nil {
				t.Fatal(err)
			}
			after, left := test.after, ""
			if theirs {
				after, left = test.zone, test.service
			}
			if got := read(zone); got != after {
				t.Errorf("the zone is %q, want %q", got, after)
			}
			if read(service) != left || read(service+".old") != left || read("/etc/firewalld/zones/work.xml") != workZone {
				t.Errorf("the service is %q and %q, another zone %q", read(service), read(service+".old"), read("/etc/firewalld/zones/work.xml"))
			}
			if backup := read(zone + ".old"); (backup != "") != (name == "no service" || name == "somebody has changed it") {
				t.Errorf("the zone's backup is %q", backup)
			}
			if gates, err := f.gates(); len(gates) > 0 && !theirs || err != nil {
				t.Errorf("then %+v, %v", gates, err)
			}
		})
	}
}
