package config

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A jsonReader returns JSON as YAML nodes, because the YAML parser does not know some
// escapes of JSON, such as \/ in strings.
type jsonReader struct {
	*json.Decoder
	data []byte

	seen, line, column int // the line and column after data[:seen]
}

// parseJSON returns the root of data, and ok false if data is not a JSON object.
func parseJSON(data []byte) (root *yaml.Node, ok bool) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) || !json.Valid(data) {
		return nil, false
	}
	j := &jsonReader{Decoder: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1, column: 1}
	j.UseNumber()
	return j.node(), true
}

// node returns the next value. It cannot fail, because the data is valid.
func (j *jsonReader) node() *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = j.place()
	token, _ := j.Token()
	switch v := token.(type) {
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if v == '{' {
			n.Kind = yaml.MappingNode
		}
		for j.More() {
			n.Content = append(n.Content, j.node())
		}
		_, _ = j.Token() // the end
	case string:
		n.Value, n.Style = v, yaml.DoubleQuotedStyle
	case json.Number:
		n.Value = v.String()
	case bool:
		n.Value = strconv.FormatBool(v)
	default:
		n.Tag = nullTag
	}
	return n
}

// place returns the line and the column of the next value.
func (j *jsonReader) place() (line, column int) {
	next := int(j.InputOffset())
	for strings.IndexByte(" \t\r\n,:", j.data[next]) >= 0 {
		next++
	}
	for _, r := range string(j.data[j.seen:next]) {
		j.column++
		if r == '\n' {
			j.line, j.column = j.line+1, 1
		}
	}
	j.seen = next
	return j.line, j.column
}
