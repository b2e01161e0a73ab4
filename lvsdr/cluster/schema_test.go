package cluster

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
)

// The generator is a test, so that the library for it is in no importer's build.

var updateSchema = flag.Bool("update-schema", false, "write docs/lvsdr.schema.json anew")

const schemaFile = "../../docs/lvsdr.schema.json"

// TestSchema holds the committed schema to the types.
func TestSchema(t *testing.T) {
	got := schema(t)
	if *updateSchema {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date: run go generate ./lvsdr/cluster", schemaFile)
	}
}

func schema(t *testing.T) []byte {
	t.Helper()
	r := jsonschema.Reflector{Anonymous: true, Mapper: mapType}
	if err := r.AddGoComments("github.com/lvsdr/toolkit/lvsdr/cluster", "./"); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&Config{})
	s.ID = "https://github.com/lvsdr/toolkit/docs/lvsdr.schema.json"
	s.Title = "lvsdr.yaml, the cluster as data, the same on every host"
	bound(s.Definitions)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mapType is for the types that are written as text.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch t.String() {
	case "netip.Addr":
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string", Format: "ipv4"}, {Type: "string", Format: "ipv6"}}}
	case "cluster.Duration":
		return &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{
				{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+$|^0$`},
				{Type: "integer", Enum: []any{0}},
			},
			Examples: []any{"20s", "1m30s"},
		}
	case "cluster.Port":
		return &jsonschema.Schema{
			AnyOf: []*jsonschema.Schema{
				{Type: "integer", Minimum: "0", Maximum: "65535"},
				{Type: "string", Pattern: "^[0-9]{1,5}(/(tcp|udp|sctp))?$"},
			},
			Examples: []any{80, "53/udp"},
		}
	}
	return nil
}

// bound adds what the Go types do not say.
func bound(defs jsonschema.Definitions) {
	property := func(def, name string) *jsonschema.Schema {
		p, _ := defs[def].Properties.Get(name)
		return p
	}
	property("Config", "firewall").Enum = anys(firewallNames)
	property("Config", "engine").Enum = anys(engineNames)
	property("Check", "type").Enum = anys(checkTypes)
	property("Check", "record").Enum = anys(dnsRecords)
	for name, most := range map[string]int{"port": 65535, "retries": maxRetries, "status": 599} {
		property("Check", name).Minimum = map[string]json.Number{"port": "1", "retries": "0", "status": "100"}[name]
		property("Check", name).Maximum = json.Number(fmt.Sprint(most))
	}
	property("Sync", "interface").Pattern = `^[^\s/:]{1,15}$`
	for name, most := range map[string]int{"id": 255, "port": 65535} {
		property("Sync", name).Minimum, property("Sync", name).Maximum = "1", json.Number(fmt.Sprint(most))
	}
	property("Service", "quorum").Minimum = "1"
	property("Notify", "to").MinItems = ptr(uint64(1))
	property("Notify", "to").Items.Pattern, property("Notify", "from").Pattern = mailAddress().String(), mailAddress().String()
	property("VRRP", "routerId").Minimum = "1"
	property("VRRP", "routerId").Maximum = "255"
	property("VRRP", "auth").MaxLength = ptr(uint64(maxAuth))
	property("VRRP", "authHmac").Pattern = fmt.Sprintf("^([0-9A-Fa-f]{2}){%d,%d}$", minHMAC, maxHMAC)
	property("VRRP", "interface").Pattern = `^[^\s/:]{1,15}$`
	property("Config", "interface").Pattern = `^[^\s/:]{1,15}$`
	property("Config", "arpInterfaces").Items.Pattern = `^[^\s/:]{1,15}$`
	property("Service", "interface").Pattern = `^[^\s/:]{1,15}$`
	property("Director", "priority").Minimum = "1"
	property("Tuning", "connTabBits").Minimum = "0" // as when it is not given
	property("Tuning", "connTabBits").Maximum = "20"
	property("Director", "priority").Maximum = json.Number(fmt.Sprint(maxPriority))
	property("Config", "services").MinItems = ptr(uint64(1))
	property("Service", "scheduler").Enum = anys(ipvs.Schedulers())
	flags := SchedulerFlags()
	slices.Sort(flags)
	property("Service", "schedulerFlags").Items.Enum = anys(flags)
	property("Service", "persistenceNetmask").Minimum = "1"
	property("Service", "persistenceNetmask").Maximum = "128"
	property("RealServer", "weight").Minimum = "0"
	property("RealServer", "weight").Maximum = json.Number(fmt.Sprint(maxWeight))
	for _, name := range []string{"upperThreshold", "lowerThreshold"} {
		property("RealServer", name).Minimum = "0"
		property("RealServer", name).Maximum = json.Number(fmt.Sprint(uint32(math.MaxUint32)))
	}
}

func ptr[T any](v T) *T { return &v }

func anys(names []string) []any {
	var all []any
	for _, n := range names {
		all = append(all, n)
	}
	return all
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// TestDocsExamples reads every YAML block of the documentation, the mission's
// example among them, and holds them against the schema too.
func TestDocsExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) < 4 {
		t.Errorf("%d examples", len(blocks))
	}
	if !strings.Contains(string(text), mission) {
		t.Errorf("the mission's example is not among them:\n%s", mission)
	}
	s := readSchema(t)
	for _, block := range blocks {
		c, err := ParseConfig("example", block[1])
		if err == nil {
			err = c.Validate(DirectorRole)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
		if err := s.check(t, block[1]); err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := readSchema(t)
	for _, text := range []string{
		"services: []", "{}", "services: [{}]", "services: [{vip: 10.0.0.1}]\nfoo: 1", "services: [{vip: 10.0.0.1, scheduler: wwr}]",
		"services: [{vip: 10.0.0.1, realServers: [{address: 10.0.0.2, weight: 65536}]}]", "services: [{vip: 10.0.0.1, persistence: 20}]",
		"services: [{vip: 10.0.0.1, ports: [http]}]", "services: [{vip: 10.0.0.1, onePacket: 1}]", "services: {vip: 10.0.0.1}",
	} {
		if err := s.check(t, []byte(text)); err == nil {
			t.Errorf("accepted: %s", text)
		}
		if _, err := ParseConfig("", []byte(text)); err == nil {
			t.Errorf("ParseConfig accepted: %s", text)
		}
	}
}

// jsonSchema is the part of JSON Schema that ours uses.
type jsonSchema struct {
	Ref        string                `json:"$ref"`
	Defs       map[string]jsonSchema `json:"$defs"`
	Type       string
	Properties map[string]jsonSchema
	Additional *bool `json:"additionalProperties"`
	Required   []string
	Items      *jsonSchema
	AnyOf      []jsonSchema
	Enum       []any
	Pattern    string
	MinItems   int
	Minimum    *float64
	Maximum    *float64
}

func readSchema(t *testing.T) jsonSchema {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonSchema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s jsonSchema) check(t *testing.T, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return s.fits(s.Defs, "", v)
}

func (s jsonSchema) fits(defs map[string]jsonSchema, path string, v any) error {
	if s.Ref != "" {
		return defs[strings.TrimPrefix(s.Ref, "#/$defs/")].fits(defs, path, v)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is none of %v", path, v, s.Enum)
	}
	if len(s.AnyOf) > 0 && !slices.ContainsFunc(s.AnyOf, func(one jsonSchema) bool { return one.fits(defs, path, v) == nil }) {
		return fmt.Errorf("%s: %v fits nothing", path, v)
	}
	ok := true
	switch v := v.(type) {
	case map[string]any:
		return s.fitsObject(defs, path, v)
	case []any:
		ok = s.Type == "array" && len(v) >= s.MinItems
		for i, item := range v {
			if ok {
				if err := s.Items.fits(defs, fmt.Sprintf("%s[%d]", path, i), item); err != nil {
					return err
				}
			}
		}
	case string:
		ok = s.Type == "string" || s.Type == ""
		ok = ok && (s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(v))
	case float64:
		ok = (s.Type == "integer" || s.Type == "") && (s.Minimum == nil || v >= *s.Minimum) && (s.Maximum == nil || v <= *s.Maximum)
	case bool:
		ok = s.Type == "boolean"
	}
	if !ok {
		return fmt.Errorf("%s: %v is not a fitting %s", path, v, s.Type)
	}
	return nil
}

func (s jsonSchema) fitsObject(defs map[string]jsonSchema, path string, v map[string]any) error {
	if s.Type != "object" || s.Additional == nil || *s.Additional {
		return fmt.Errorf("%s: no object is wanted", path)
	}
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s: %s is missing", path, name)
		}
	}
	for name, value := range v {
		p, ok := s.Properties[name]
		if !ok {
			return fmt.Errorf("%s: unknown key %s", path, name)
		}
		if err := p.fits(defs, path+"."+name, value); err != nil {
			return err
		}
	}
	return nil
}
