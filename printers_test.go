package hush_test

import (
	"bytes"
	"database/sql/driver"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"log"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/davecgh/go-spew/spew"
	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"
)

// A printer returns the texts that a program could print, log, store or send for a
// value, including the texts of errors.
type printer struct {
	name  string
	print func(v any) []string
}

func printers() []printer { return append(verbs('A', 'z'), libraries()...) }

// fewPrinters has only three verbs of fmt: text, hexadecimal and a list of bytes. They
// suffice to find a secret in a field.
func fewPrinters() []printer {
	return slices.Concat(verbs('v', 'v'), verbs('x', 'x'), verbs('d', 'd'), libraries())
}

// libraries are the printers other than the verbs of fmt.
func libraries() []printer {
	return []printer{
		{"fmt.Print", func(v any) []string { return []string{fmt.Sprint(v), fmt.Sprint("x", v), fmt.Sprintln(v)} }},
		{"fmt.Errorf", func(v any) []string {
			return []string{fmt.Errorf("open %v", v).Error(), fmt.Errorf("open %+v", v).Error()}
		}},
		{"log", printLog},
		{"slog text", func(v any) []string {
			return printSlog(v, func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) })
		}},
		{"slog JSON", func(v any) []string {
			return printSlog(v, func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) })
		}},
		{"zap JSON", func(v any) []string { return printZap(v, zapcore.NewJSONEncoder) }},
		{"zap console", func(v any) []string { return printZap(v, zapcore.NewConsoleEncoder) }},
		{"json", func(v any) []string { return marshalled(json.Marshal(v)) }},
		{"xml", func(v any) []string { return marshalled(xml.Marshal(v)) }},
		{"yaml", func(v any) []string { return recovered(func() []string { return marshalled(yaml.Marshal(v)) }) }},
		{"gob", printGob},
		{"sql argument", func(v any) []string {
			got, err := driver.DefaultParameterConverter.ConvertValue(v)
			return []string{fmt.Sprint(got), fmt.Sprint(err)}
		}},
		{"text/template", printTextTemplate},
		{"html/template", printHTMLTemplate},
		{"testify", printTestify},
		{"spew", printSpew},
		{"reflection", func(v any) []string { return walk(reflect.ValueOf(v), 0) }},
	}
}

// verbs returns a printer for each verb of fmt from first to last, with every set of
// flags. It leaves out %T, which prints only the type.
func verbs(first, last rune) []printer {
	var all []printer
	for verb := first; verb <= last; verb++ {
		if verb == 'T' || verb > 'Z' && verb < 'a' {
			continue
		}
		var formats []string
		for flags := range 1 << 5 {
			var set strings.Builder
			for i, flag := range "+-# 0" {
				if flags&(1<<i) != 0 {
					set.WriteRune(flag)
				}
			}
			for _, size := range []string{"", "64.64"} {
				formats = append(formats, "%"+set.String()+size+string(verb))
			}
		}
		all = append(all, printer{"%" + string(verb), func(v any) []string {
			texts := make([]string, len(formats))
			for i, format := range formats {
				texts[i] = fmt.Sprintf(format, v)
			}
			return texts
		}})
	}
	return all
}

func printLog(v any) []string {
	var b bytes.Buffer
	logger := log.New(&b, "", 0)
	logger.Printf("%v %+v %#v", v, v, v)
	logger.Print(v)
	logger.Println("x", v)
	return []string{b.String()}
}

func printSlog(v any, open func(*bytes.Buffer) slog.Handler) []string {
	var b bytes.Buffer
	logger := slog.New(open(&b))
	logger.Info("m", slog.Any("k", v))
	logger.Info("m", slog.Group("g", slog.Any("k", v)))
	logger.With(slog.Any("k", v)).WithGroup("g").Info("m", slog.Any("list", []any{v}))
	return []string{b.String()}
}

func printZap(v any, encoder func(zapcore.EncoderConfig) zapcore.Encoder) []string {
	var b bytes.Buffer
	core := zapcore.NewCore(encoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(&b), zap.DebugLevel)
	logger := zap.New(core)
	logger.Info("m", zap.Any("k", v), zap.Reflect("r", v))
	logger.With(zap.Any("k", v)).Info("m", zap.Dict("d", zap.Any("k", v)))
	sugar := logger.Sugar()
	sugar.Infow("m", "k", v)
	sugar.Infof("%v %+v %#v", v, v, v)
	sugar.Info("m", v)
	sugar.Infoln("m", v)
	return []string{b.String()}
}

func printGob(v any) []string {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return marshalled(b.Bytes(), err)
}

func marshalled(b []byte, err error) []string {
	if err != nil {
		return []string{string(b), err.Error()}
	}
	return []string{string(b)}
}

func printTextTemplate(v any) []string {
	const page = `{{.}} {{print .}} {{println .}} {{printf "%v %+v %#v %q %x %d" . . . . . .}} {{html .}} {{js .}} {{urlquery .}}`
	var b strings.Builder
	err := texttemplate.Must(texttemplate.New("").Parse(page)).Execute(&b, v)
	return marshalled([]byte(b.String()), err)
}

func printHTMLTemplate(v any) []string {
	const page = `<p title="{{.}}" style="color: {{.}}" onclick="f({{.}})">{{.}}</p><a href="/?q={{.}}">x</a><script>var x = {{.}}</script>`
	var b strings.Builder
	err := htmltemplate.Must(htmltemplate.New("").Parse(page)).Execute(&b, v)
	return marshalled([]byte(b.String()), err)
}

// failures is a T that records the messages of testify.
type failures struct{ strings.Builder }

func (f *failures) Errorf(format string, args ...any) { fmt.Fprintf(f, format, args...) }

// printTestify makes each assertion fail and returns its message and its diff.
func printTestify(v any) []string {
	t := &failures{}
	zero := reflect.Zero(reflect.TypeOf(v)).Interface()
	assert.Equal(t, zero, v)
	assert.Equal(t, v, zero)
	assert.EqualValues(t, "x", v)
	assert.Exactly(t, "x", v)
	assert.NotEqual(t, v, v)
	assert.Nil(t, v)
	assert.Empty(t, v)
	assert.Zero(t, v)
	assert.Same(t, &zero, v)
	assert.IsType(t, 0, v)
	assert.Len(t, v, 99)
	assert.Contains(t, v, "x")
	assert.Contains(t, []any{v}, "x")
	assert.ElementsMatch(t, []any{v}, []any{zero})
	assert.NoError(t, fmt.Errorf("%v", v))
	assert.True(t, false, "message %v", v)
	return []string{t.String()}
}

func printSpew(v any) []string {
	var texts []string
	for options := range 1 << 4 {
		config := spew.ConfigState{
			Indent: " ", DisableMethods: options&1 != 0, DisablePointerMethods: options&2 != 0,
			ContinueOnMethod: options&4 != 0, SpewKeys: options&8 != 0, SortKeys: true,
		}
		for _, text := range []func() string{ // spew panics at maps whose keys are structs in unexported fields
			func() string { return config.Sdump(v) },
			func() string { return config.Sprintf("%v %+v %#v %#+v", v, v, v, v) },
			func() string { return config.Sprint(v) },
		} {
			texts = append(texts, recovered(func() []string { return []string{text()} })...)
		}
	}
	return texts
}

// recovered returns the result of f, or the value that f panics with.
func recovered(f func() []string) (texts []string) {
	defer func() {
		if r := recover(); r != nil {
			texts = []string{fmt.Sprint(r)}
		}
	}()
	return f()
}

var errNoText = errors.New("no text")

// walk returns every string and byte slice that reflection reaches below v, including
// unexported fields. Printers that are not tested here could print them.
func walk(v reflect.Value, depth int) (texts []string) {
	if depth > 12 || !v.IsValid() {
		return []string{errNoText.Error()}
	}
	below := func(next reflect.Value) { texts = append(texts, walk(next, depth+1)...) }
	switch v.Kind() {
	case reflect.String:
		return []string{v.String()}
	case reflect.Pointer, reflect.Interface:
		below(v.Elem())
	case reflect.Struct:
		for _, field := range v.Fields() {
			below(field)
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			below(entries.Key())
			below(entries.Value())
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
			return []string{string(v.Bytes())}
		}
		for i := range v.Len() {
			below(v.Index(i))
		}
	default: // numbers, channels and funcs hold no text that reflection can read
	}
	return texts
}
