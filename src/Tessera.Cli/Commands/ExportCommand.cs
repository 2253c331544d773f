using System.CommandLine;
using System.Text.Json.Serialization;
using Tessera.Cli.Console;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera export</c>: a model as other projects read it, or as ONNX.</summary>
internal static class ExportCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("export", "Write a model's weights under another project's names, or the model as ONNX, which runs without libtorch.",
            "tessera export --model tessera-tiny --format onnx -o tiny.onnx",
            "tessera export --model tessera-tiny --format onnx --project app/",
            "tessera export --model runs/classes --format onnx -o classifier.onnx",
            "tessera export --model tessera-tiny --format timm -o tiny.safetensors",
            "tessera export --model runs/mae --format huggingface -o mae-hf/");
        var model = CommonOptions.Model();
        var format = CommonOptions.Words(
            "--format", "Whose names: Tessera's, MAE's, timm's, Hugging Face's (a folder), or Tessera's as a PyTorch state dict; or an ONNX graph", Format.Tessera);
        format.Required = true;
        var output = CommonOptions.Value<string?>("--out", "OUT", "The file to write, .safetensors, .pth or .onnx, or for Hugging Face the folder");
        output.Aliases.Add("-o");
        var project = CommonOptions.Value<string?>("--project", "DIR", "In place of --out, a folder for the ONNX encoder or classifier and a small program that uses it");
        var type = CommonOptions.Words("--type", "What each value is rounded to; bf16 is not for ONNX, and int8 for nothing else", WeightType.F32);
        var graph = CommonOptions.WordsOrNone<Graph>("--graph", "What of the model becomes ONNX [default: classifier of a model that knows classes, else encoder]");
        var pool = CommonOptions.WordsOrNone<Pooling>("--pool", "What a vector of the ONNX encoder is [default: mean]");
        var layer = CommonOptions.Value<int?>("--layer", "N", "Take the ONNX encoder's tokens after so many blocks [default: after the last]");
        foreach (var option in new Option[] { model, format, output, project, type, graph, pool, layer }) command.Add(option);
        command.SetAction(parsed =>
        {
            var (from, wanted, rounded, program) = (parsed.GetValue(model)!, parsed.GetValue(format), parsed.GetValue(type), parsed.GetValue(project));
            if (program is null == (parsed.GetValue(output) is null)) throw new UsageException("Name where to: --out OUT, or with --format onnx --project DIR.");
            var (part, pooling, block) = (parsed.GetValue(graph), parsed.GetValue(pool), parsed.GetValue(layer));
            var to = parsed.GetValue(output) ?? Path.Combine(program!, OnnxProject.EncoderFile);
            if (program is not null && (wanted != Format.Onnx || part == Graph.Reconstruction)) throw new UsageException("--project is for --format onnx, of an encoder or a classifier.");
            if (wanted == Format.Onnx) CommonOptions.FileEndingWith(".onnx", to);
            else if (ModelExport.NameFault(to, Layout(wanted)) is { } fault) throw new UsageException($"--out is {fault}.");
            if (wanted != Format.Onnx && (part is not null || pooling is not null || block is not null)) throw new UsageException("--graph, --pool and --layer are for --format onnx.");
            if (part is Graph.Reconstruction or Graph.Classifier && (pooling is not null || block is not null))
                throw new UsageException($"--pool and --layer are for --graph encoder: a {(part == Graph.Reconstruction ? "reconstruction gives pictures" : "classifier gives names")}.");
            if (rounded == (wanted == Format.Onnx ? WeightType.Bf16 : WeightType.Int8))
                throw new UsageException(wanted == Format.Onnx ? "--type bf16 is not for ONNX: choose f32, f16 or int8." : "--type int8 is for --format onnx: choose f32, f16 or bf16.");
            if (ModelFile.Find(from) is var file && Path.GetFullPath(file) == Path.GetFullPath(to)) throw new UsageException("--out is the model itself: choose another file.");
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(to))!);
            if (wanted == Format.Onnx)
            {
                var options = new OnnxExportOptions { Weights = Stored(rounded), Kind = new FeatureKind(pooling ?? Pooling.Mean, block is { } number ? [number] : []) };
                part ??= pooling is null && block is null && ModelInfo.Read(from).Description.Classes is not null ? Graph.Classifier : Graph.Encoder;
                if (program is not null)
                {
                    var files = part == Graph.Classifier ? OnnxProject.WriteClassifier(from, program, options) : OnnxProject.Write(from, program, options);
                    foreach (var written in files) terminal.Say(Path.GetFullPath(written));
                    terminal.Result(new { files });
                    return ExitCode.Done;
                }
                var made = part switch
                {
                    Graph.Reconstruction => OnnxExport.Reconstruction(from, to, options),
                    Graph.Classifier => OnnxExport.Classifier(from, to, options),
                    _ => OnnxExport.Encoder(from, to, options),
                };
                terminal.Say(Path.GetFullPath(made.File));
                if (made.Golden is { } golden) terminal.Note($"what it gives for a picture, to check a runtime by: {Path.GetFullPath(golden)}");
                terminal.Result(made);
                return ExitCode.Done;
            }
            var exported = ModelExport.Export(from, to, Layout(wanted), Rounded(rounded));
            foreach (var note in exported.Notes) terminal.Note(note);
            foreach (var written in exported.Files) terminal.Say(Path.GetFullPath(written));
            terminal.Result(exported);
            return ExitCode.Done;
        });
        return command;
    }

    private static ExportFormat Layout(Format format) => format switch
    {
        Format.Mae => ExportFormat.Mae,
        Format.Timm => ExportFormat.Timm,
        Format.HuggingFace => ExportFormat.HuggingFace,
        Format.PyTorch => ExportFormat.PyTorch,
        _ => ExportFormat.Tessera,
    };

    private static SafetensorsType Rounded(WeightType type) => type switch
    {
        WeightType.F16 => SafetensorsType.F16,
        WeightType.Bf16 => SafetensorsType.BF16,
        _ => SafetensorsType.F32,
    };

    private static WeightFormat Stored(WeightType type) => type switch
    {
        WeightType.F16 => WeightFormat.Fp16,
        WeightType.Int8 => WeightFormat.Int8,
        _ => WeightFormat.Fp32,
    };

    private enum Format
    {
        Tessera,
        Mae,
        Timm,

        [JsonStringEnumMemberName("huggingface")]
        HuggingFace,

        [JsonStringEnumMemberName("pytorch")]
        PyTorch,
        Onnx,
    }

    private enum Graph
    {
        Encoder,
        Reconstruction,
        Classifier,
    }

    private enum WeightType
    {
        F32,
        F16,
        Bf16,
        Int8,
    }
}
