package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/units"
)

func cloudInitCommand(s *session) *cli.Command {
	return &cli.Command{
		Name:      "cloud-init",
		Usage:     "print the #cloud-config that makes a new host its role",
		ArgsUsage: "director|realserver",
		Flags:     cloudInitFlags(),
		Action:    s.cloudInit,
		Description: `The user-data of a new host: cloud-init runs its one command at the first boot, and
the unit that set-up writes brings the role back at every other. It is --passive, so
that hosts come up in any order: examine the cluster with "lvsdr doctor" when all are
there. With --config the file is carried along, to ` + units.ConfigFile + `; else it may
be written on any host, this one is not looked at.

lvsdr is taken from the image, or fetched with --binary from an https address, and run
only when it has the sum of --sha256.`,
		UsageText: `lvsdr cloud-init realserver --vip 10.10.10.22 >user-data
lvsdr cloud-init director --vip 10.10.10.22 -r 10.10.10.31 -r 10.10.10.32 \
    --binary https://example.org/lvsdr --sha256 "$(sha256sum <lvsdr | cut -d' ' -f1)"`,
	}
}

func cloudInitFlags() []cli.Flag {
	return slices.Concat(serviceFlags(), thisHostFlags(), []cli.Flag{
		verifyFlag(), passiveFlag(),
		&cli.StringFlag{Name: "binary", Category: hostFlags,
			Usage: "`URL` where the new host gets lvsdr from, https (default: it is in the image)"},
		&cli.StringFlag{Name: "sha256", Category: hostFlags,
			Usage: "`SUM` the SHA-256 sum of the binary, as sha256sum prints it; required with --binary"},
	}, messageFlags())
}

// cloudDocument is a cloud-config as JSON.
type cloudDocument struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (s *session) cloudInit(ctx context.Context, c *cli.Command) error {
	if err := checkOutput(c); err != nil {
		return err
	}
	s.report = &report{}
	config, err := s.cloudConfig(c)
	if err != nil {
		return err
	}
	text, err := config.Render()
	if err != nil {
		return err
	}
	s.report = nil // the cloud-config is the result
	if s.json {
		return s.document(cloudDocument{config.Role, string(text)})
	}
	_, err = s.stdout.Write(text)
	return err
}

func (s *session) cloudConfig(c *cli.Command) (units.CloudConfig, error) {
	name, err := roleArgument(c, roleNames)
	if err != nil {
		return units.CloudConfig{}, err
	}
	if name == "" {
		return units.CloudConfig{}, usage("say what the new host is to be: lvsdr cloud-init director or lvsdr cloud-init realserver")
	}
	binary, err := parseDownload(c)
	if err != nil {
		return units.CloudConfig{}, err
	}
	src, err := s.readSource(c)
	if err != nil {
		return units.CloudConfig{}, err
	}
	if _, err := src.ignore(c); err != nil {
		return units.CloudConfig{}, err
	}
	if err := src.does(name); err != nil {
		return units.CloudConfig{}, err
	}
	if i := slices.Index(src.args, "--config"); i >= 0 { // it is another file there
		src.args[i+1] = units.ConfigFile
	}
	return units.CloudConfig{Role: name, Args: src.allArgs(), Config: src.text, Binary: binary}, nil
}

// does fails when the description does not do for a new host of that role. What only
// the host can tell, its addresses and interfaces, is not asked.
func (src *source) does(role string) error {
	build := lvsdr.RealServer
	if role == cluster.DirectorRole {
		build = lvsdr.Director
	}
	if _, err := build(src.Config); err != nil {
		return src.tell(err)
	}
	if role == cluster.RealServerRole && len(src.addresses) > 0 && len(src.RIPs()) > 0 && len(src.Listed(src.addresses)) == 0 {
		return usage("--address: no service in %s lists %s", src.where(), joinAddrs(src.addresses))
	}
	return nil
}

// parseDownload reads --binary and --sha256, which go together.
func parseDownload(c *cli.Command) (units.Download, error) {
	d := units.Download{URL: c.String("binary"), SHA256: c.String("sha256")}
	switch {
	case c.IsSet("binary") && !c.IsSet("sha256"):
		return d, &usageError{
			text: "--binary needs --sha256 SUM: what is fetched is run as root",
			hint: fmt.Sprintf("--sha256 $(curl -fsSL %s | sha256sum | cut -d' ' -f1), when you trust what is there now", d.URL),
		}
	case c.IsSet("sha256") && !c.IsSet("binary"):
		return d, usage("--sha256 needs --binary URL: it is the sum of what is fetched there")
	case !c.IsSet("binary"):
		return d, nil
	case d.URL == "":
		return d, usage("--binary needs an https address")
	}
	if err := d.Check(); err != nil {
		return d, usage("--binary: %w", err)
	}
	return d, nil
}
