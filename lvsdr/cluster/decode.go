package cluster

import (
	"encoding"
	"errors"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	nullTag  = "!!null"
	mergeTag = "!!merge"

	// maxAliased bounds what aliases may multiply a small file into.
	maxAliased = 1 << 18
)

// decode reads the nodes into a Config. The library's own decoder would say what
// Go type does not fit; this one says what is allowed, goes on to the next error,
// and takes no value that YAML could mean otherwise (yes, 010, 1e3, !!tags).
func (s source) decode(root *yaml.Node) (Config, error) {
	var c Config
	d := decoder{source: s, fields: map[reflect.Type][]string{}}
	d.value(root, reflect.ValueOf(&c).Elem())
	return c, d.err()
}

type decoder struct {
	source
	validation
	path    []pathPart // what leads to the node at hand
	fields  map[reflect.Type][]string
	inAlias int
	aliased int
}

func (d *decoder) refuse(n *yaml.Node, text, reason string) {
	if len(d.errs) == maxErrors {
		d.more++
		return
	}
	d.errs = append(d.errs, d.errorAt(n.Line, n.Column, pathText(d.path), text, reason))
}

// A pathPart is a key of a mapping, or with an empty one a place in a list.
type pathPart struct {
	key *yaml.Node
	at  int
}

// pathText is "services[0].vip".
func pathText(path []pathPart) string {
	var b strings.Builder
	for i, p := range path {
		switch {
		case p.key == nil:
			b.WriteString("[" + strconv.Itoa(p.at) + "]")
		case i > 0:
			b.WriteString("." + shown(p.key.Value))
		default:
			b.WriteString(shown(p.key.Value))
		}
	}
	return b.String()
}

// text is what stands at a node, in short when it is more than a word.
func (d *decoder) text(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return d.at(n.Line, n.Column)
}

// value decodes a node into v, whatever v is.
func (d *decoder) value(n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		d.inAlias++
		defer func() { d.inAlias-- }()
		n = target(n)
	}
	if d.inAlias > 0 {
		d.aliased++
	}
	switch {
	case d.aliased > maxAliased:
		if d.aliased == maxAliased+1 {
			d.refuse(n, d.at(n.Line, n.Column), "aliases make the configuration too large")
		}
	case n.Style&yaml.TaggedStyle != 0:
		d.refuse(n, d.at(n.Line, n.Column), "a value without a tag (!) is wanted")
	case n.Tag == nullTag:
		d.refuse(n, n.Value, "nothing stands here: give a value or leave the key out")
	default:
		d.kind(n, v)
	}
}

func (d *decoder) kind(n *yaml.Node, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if _, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.scalar(n, v)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v)
	case reflect.Slice:
		d.sequence(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value) {
	names := d.names(v.Type())
	if n.Kind != yaml.MappingNode {
		d.refuse(n, d.text(n), "keys with values are wanted here: "+oneOf(names))
		return
	}
	seen := make([]*yaml.Node, len(names))
	for i := 0; i+1 < len(n.Content); i += 2 {
		d.entry(n.Content[i], n.Content[i+1], v, names, seen)
	}
}

// entry decodes one key with its value. seen has the keys before.
func (d *decoder) entry(key, value *yaml.Node, v reflect.Value, names []string, seen []*yaml.Node) {
	d.path = append(d.path, pathPart{key: key})
	defer func() { d.path = d.path[:len(d.path)-1] }()
	at := -1
	for i, name := range names {
		if key.Kind == yaml.ScalarNode && key.Value == name {
			at = i
		}
	}
	switch {
	case key.Tag == mergeTag:
		d.refuse(key, key.Value, "merge keys are not possible: repeat the keys, or use an alias for a whole value")
	case at < 0:
		d.refuse(key, d.text(key), "unknown key: allowed here are "+oneOf(names))
	case seen[at] != nil:
		d.refuse(key, key.Value, "the key is given before, at line "+strconv.Itoa(seen[at].Line)+": once is allowed")
	default:
		seen[at] = key
		d.value(value, v.Field(at))
	}
}

// names returns the keys of a struct's fields, all of which have one.
func (d *decoder) names(t reflect.Type) []string {
	if names, ok := d.fields[t]; ok {
		return names
	}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		names = append(names, name)
	}
	d.fields[t] = names
	return names
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.refuse(n, d.text(n), "a list is wanted: - item on lines of their own, or [item, item]")
		return
	}
	if len(n.Content) == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.path = append(d.path, pathPart{at: i})
		d.value(item, v.Index(i))
		d.path = d.path[:len(d.path)-1]
	}
}

// scalar decodes a single value.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.refuse(n, d.at(n.Line, n.Column), "a single value is wanted")
		return
	}
	if reason := setScalar(v, n.Value, n.Style == 0); reason != "" {
		d.refuse(n, n.Value, reason)
	}
}

// setScalar sets v from text, which is plain when it stood there without quotes.
func setScalar(v reflect.Value, text string, plain bool) (reason string) {
	switch p := v.Addr().Interface().(type) {
	case *netip.Addr:
		a, err := ParseAddress(text)
		*p = a
		return reasonOf(err)
	case encoding.TextUnmarshaler:
		return reasonOf(p.UnmarshalText([]byte(text)))
	case *string:
		*p = text
	case *bool:
		*p = text == "true"
		if !plain || text != "true" && text != "false" {
			return "true or false is wanted, without quotes"
		}
	case *int:
		if !plain || !plainNumber(strings.TrimPrefix(text, "-")) {
			return "a whole number is wanted, without quotes"
		}
		// Out of int's range it becomes the nearest int, for Validate to refuse.
		n, _ := strconv.ParseInt(text, 10, strconv.IntSize)
		*p = int(n)
	case *uint32:
		n, err := strconv.ParseUint(text, 10, 32)
		*p = uint32(n)
		if err != nil || !plain || !plainNumber(text) {
			return "a whole number from 0 to 4294967295 is wanted, without quotes"
		}
	default:
		return "lvsdr cannot read a " + v.Type().String() + " yet"
	}
	return ""
}

// reasonOf returns the reason of a parser's error.
func reasonOf(err error) string {
	var e *ConfigError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Reason
	}
	return err.Error()
}
