using System.Globalization;
using nietras.SeparatedValues;

namespace Tessera.Embeddings;

/// <summary>A table as text (RFC 4180): <c>name</c>, <c>class</c>, then the values <c>v0</c>, <c>v1</c> and so on, each exact when read back.</summary>
internal sealed class CsvFormat : VectorFormat
{
    private const string Name = "name", Class = "class";

    public override VectorSidecar Sidecar(VectorSet set) => new() { Origin = set.Origin, Classes = set.Classes };

    public override void Write(Stream stream, VectorSet set)
    {
        using var text = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
        using var csv = Sep.New(',').Writer(o => o with { Escape = true, CultureInfo = CultureInfo.InvariantCulture }).To(text, leaveOpen: true);
        string[] headings = [.. Enumerable.Range(0, set.Width).Select(d => $"v{d}")];
        for (var number = 0; number < set.Count; number++)
        {
            using var row = csv.NewRow();
            row[Name].Set(set.Names[number]);
            row[Class].Set(set.ClassOf(number) ?? "");
            row[headings].Format(set.Vectors[number]);
        }
    }

    public override VectorSet Read(Stream stream, string file, VectorSidecar? sidecar)
    {
        using var csv = Sep.New(',').Reader(o => o with { Unescape = true, CultureInfo = CultureInfo.InvariantCulture }).From(stream);
        var headings = csv.Header.ColNames;
        var (name, kind) = (IndexOf(Name), IndexOf(Class));
        int[] places = [.. Enumerable.Range(0, headings.Count).Where(i => i != name && i != kind)];
        if (places.Length == 0) throw new InvalidDataException("it has no column of values");
        var (values, names, words) = (new List<float>(), new List<string>(), new List<string?>());
        foreach (var row in csv) // a row of another number of columns is refused by the reader
        {
            names.Add(name < 0 ? names.Count.ToString(CultureInfo.InvariantCulture) : row[name].ToString());
            words.Add(kind < 0 ? null : row[kind].ToString());
            values.AddRange(row[places].Parse<float>());
        }
        if (names.Count == 0) throw new InvalidDataException("it has no rows");
        var (labels, classes) = Number(words, sidecar);
        return new VectorSet(new LabelledVectors([.. values], places.Length, labels), names, classes, sidecar?.Origin);

        int IndexOf(string heading) => csv.Header.TryIndexOf(heading, out var place) ? place : -1;
    }
}
