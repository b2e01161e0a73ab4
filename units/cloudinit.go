package units

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
)

// A CloudConfig is what cloud-init makes a host's role of at its first boot, as
// user-data.
type CloudConfig struct {
	Role string // [cluster.DirectorRole] or [cluster.RealServerRole]
	// Args are the flags of set-up that describe the cluster. A file among them is one
	// of the new host, which Config may be.
	Args []string
	// Config is what is to be in [ConfigFile] of the new host; empty: nothing is written.
	Config []byte
	// Binary is where the new host gets the lvsdr command; the zero value: it has one.
	Binary Download
}

// A Download is a file of the web and what it holds.
type Download struct {
	URL    string // https
	SHA256 string // of the file, 64 hexadecimal digits
}

// ConfigFile is where the commands look for the cluster.
const ConfigFile = "/etc/lvsdr/lvsdr.yaml"

// Where the new host puts the command, and keeps it until its sum is known to be right.
const (
	cloudBinary   = "/usr/local/bin/lvsdr"
	cloudDownload = "/run/lvsdr.download"
)

// cloudFile is an entry of write_files, which cloud-init does before runcmd.
type cloudFile struct {
	Path    string `yaml:"path"`
	Content string `yaml:"content"`
}

// Render returns the user-data. Its one command is a set-up that looks at the new host
// only (--passive), because the hosts of a cluster come up in any order. It fails when
// the role is unknown, or the download is not told with its sum.
func (c CloudConfig) Render() ([]byte, error) {
	if c.Role != cluster.DirectorRole && c.Role != cluster.RealServerRole {
		return nil, fmt.Errorf("units: there is no role %q: %s or %s", c.Role, cluster.DirectorRole, cluster.RealServerRole)
	}
	if err := c.Binary.Check(); err != nil {
		return nil, fmt.Errorf("units: %w", err)
	}
	var doc struct {
		Files  []cloudFile `yaml:"write_files,omitempty"`
		Runcmd []string    `yaml:"runcmd"`
	}
	if len(c.Config) > 0 {
		doc.Files = []cloudFile{{ConfigFile, string(c.Config)}}
	}
	doc.Runcmd = []string{c.command()}
	// One line a command, however long.
	text, err := yaml.Dump(doc, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("units: %w", err)
	}
	return append([]byte(cloudHeader), text...), nil
}

// The first line is how cloud-init knows the format.
const cloudHeader = "#cloud-config\n"

// command is the line that cloud-init runs as root, in sh.
func (c CloudConfig) command() string {
	words := slices.Concat([]string{"lvsdr", "setup", c.Role}, c.Args)
	if !slices.Contains(words, "--passive") {
		words = append(words, "--passive")
	}
	if c.Binary == (Download{}) {
		return host.ShellLine(words...)
	}
	words[0] = cloudBinary
	address, file := host.ShellWord(c.Binary.URL), cloudDownload
	return strings.Join([]string{
		// An image has one of the two.
		fmt.Sprintf("{ curl -fsSL --retry 5 -o %s %s || wget -q -O %s %s; }", file, address, file, address),
		fmt.Sprintf("echo '%s  %s' | sha256sum -c", strings.ToLower(c.Binary.SHA256), file),
		fmt.Sprintf("install -m 0755 %s %s", file, cloudBinary),
		"rm " + file,
		host.ShellLine(words...),
	}, " && ")
}

var sha256Sum = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-fA-F]{64}$`) })

// Check tells what is wrong with the download; nothing is with the zero value.
func (d Download) Check() error {
	if d == (Download{}) {
		return nil
	}
	u, err := url.Parse(d.URL)
	switch {
	case d.URL == "":
		return fmt.Errorf("a sum without the address of the binary that it is of")
	case d.SHA256 == "":
		return fmt.Errorf("%s: its SHA-256 sum is wanted too: what is fetched is run as root", d.URL)
	case err != nil:
		return err
	case u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%s: an https address is wanted: https://HOST/PATH", d.URL)
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("%s: the address of a file is wanted: https://HOST/PATH", d.URL)
	case !sha256Sum().MatchString(d.SHA256):
		return fmt.Errorf("%q: a SHA-256 sum has 64 hexadecimal digits, as sha256sum prints them", d.SHA256)
	}
	return nil
}
