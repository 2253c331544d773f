using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Models;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera import</c>: another project's weights as a model of Tessera's.</summary>
internal static class ImportCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("import", "Bring weights of MAE, timm, DINOv2 or Hugging Face into a model file. Nothing of a .pth file is executed.",
            "tessera import mae_pretrain_vit_base.pth --heads 12 --preset imagenet -o mae-base.safetensors",
            "tessera import vit-mae-base/ -o vit-mae-base.safetensors");
        var file = CommonOptions.FileArgument<string>("FILE", "A .pth, .pt, .bin or .safetensors file, or a folder in Hugging Face's manner; a config.json beside it is read");
        var output = CommonOptions.Value<string>("--out", "FILE", "The .safetensors file to write");
        output.Aliases.Add("-o");
        output.Required = true;
        var heads = CommonOptions.Value<int?>("--heads", "N", "Attention heads of the encoder, where the file does not say");
        var decoderHeads = CommonOptions.Value<int?>("--decoder-heads", "N", "Those of the decoder; MAE's have 16");
        var preset = CommonOptions.WordsOrNone<Preset>(
            "--preset", "How pixels are standardised: imagenet (MAE, DINOv2, most of timm) by ImageNet's mean and deviation, half (Hugging Face's ViT) by .5 and .5");
        var mean = CommonOptions.Value<string?>("--mean", "M,M,M", "The pixels' mean, a number a channel, from 0 to 1");
        var deviation = CommonOptions.Value<string?>("--deviation", "D,D,D", "The pixels' deviation, a number a channel");
        var target = CommonOptions.WordsOrNone<ReconstructionTarget>("--target", "What the decoder restores");
        var size = CommonOptions.Value<int?>("--image-size", "PIXELS", "Side of the pictures that it shall take; positions are resized [default: as it was trained]");
        var channels = CommonOptions.Value<int?>("--channels", "N", "Channels that it shall take, 1 or 3 [default: as it was trained]");
        var prefix = CommonOptions.Value<string?>("--prefix", "NAME", "Where in the file the model lies, if it holds several");
        var encoderOnly = new Option<bool>("--encoder-only") { Description = "Leave a decoder out" };
        command.Add(file);
        foreach (var option in new Option[] { output, heads, decoderHeads, preset, mean, deviation, target, size, channels, prefix, encoderOnly }) command.Add(option);
        command.SetAction(parsed =>
        {
            var options = new ImportOptions
            {
                Heads = parsed.GetValue(heads),
                DecoderHeads = parsed.GetValue(decoderHeads),
                Normalization = Normalization(parsed.GetValue(preset), parsed.GetValue(mean), parsed.GetValue(deviation)),
                Target = parsed.GetValue(target),
                ImageSize = parsed.GetValue(size),
                Channels = parsed.GetValue(channels),
                Prefix = parsed.GetValue(prefix),
                EncoderOnly = parsed.GetValue(encoderOnly),
            };
            var (from, to) = (parsed.GetValue(file)!, CommonOptions.FileEndingWith(".safetensors", parsed.GetValue(output)!));
            if (Path.GetFullPath(from) == Path.GetFullPath(to)) throw new UsageException("--out is the file that is imported: choose another.");
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(to))!);
            var imported = ModelImport.Import(from, to, options);
            terminal.Note($"{imported.Layout}'s layout");
            if (imported.LeftOut.Count > 0) terminal.Note($"left out: {string.Join("; ", imported.LeftOut)}");
            foreach (var note in imported.Notes) terminal.Note(note);
            ModelView.Show(terminal, ModelView.Whole(ModelInfo.Read(to)));
            terminal.Result(imported);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>How an import is told what its file does not say: the switch of an option of the library's; null: it has none.</summary>
    public static string? Switch(string option) => option switch
    {
        "Import.Heads" => "--heads N",
        "Import.DecoderHeads" => "--decoder-heads N",
        "Import.Normalization" => "--preset imagenet|half, or --mean and --deviation",
        "Import.Target" => "--target pixels|normalized-pixels, or --encoder-only",
        "Import.Prefix" => "--prefix NAME",
        _ => null,
    };

    private static PixelNormalization? Normalization(Preset? preset, string? mean, string? deviation)
    {
        if (preset is not null && (mean ?? deviation) is not null) throw new UsageException("--preset says mean and deviation already: leave out --mean and --deviation.");
        if (preset is not null) return preset == Preset.Imagenet ? ImportOptions.ImageNet : ImportOptions.Half;
        if (mean is null && deviation is null) return null;
        if (mean is null || deviation is null) throw new UsageException("--mean and --deviation go together.");
        return new PixelNormalization(Numbers("--mean", mean), Numbers("--deviation", deviation));
    }

    private static double[] Numbers(string option, string text) => [.. text.Split(',').Select(part =>
        double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw new UsageException($"{option} is '{text}': write numbers such as 0.5,0.5,0.5."))];

    private enum Preset
    {
        Imagenet,
        Half,
    }
}
