using System.Text.Json;
using Tessera.Cli.Console;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera info</c>: what a model is. It reads the file's header alone, without libtorch.</summary>
internal static class InfoCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("info", "Say what a model is: architecture, parameters, how it was trained.", "tessera info runs/pictures");
        var path = CommonOptions.FileArgument<string>("MODEL", "A run directory or a .safetensors file");
        command.Add(path);
        command.SetAction(parsed =>
        {
            var info = ModelInfo.Read(parsed.GetValue(path)!);
            (string Name, string Value)[] lines = [.. Lines(info)];
            var width = lines.Max(l => l.Name.Length);
            foreach (var (name, value) in lines) terminal.Say($"{name.PadRight(width)}  {value}");
            terminal.Result(info);
            return ExitCode.Done;
        });
        return command;
    }

    private static IEnumerable<(string Name, string Value)> Lines(ModelInfo info)
    {
        var (model, encoder) = (info.Description, info.Description.Encoder);
        yield return ("file", info.File);
        yield return ("encoder", $"{Count(encoder.Depth, "block")}, {encoder.Width} wide, {Count(encoder.Heads, "head")}, {CommonOptions.Word(encoder.Positions)} positions{(encoder.ClassToken ? ", class token" : "")}");
        yield return ("pictures", $"{encoder.ImageHeight}x{encoder.ImageWidth}, {Count(encoder.Channels, "channel")}, patches of {encoder.PatchSize}: {Count(encoder.PatchCount, "token")}");
        if (model.Reconstruction is { } head)
        {
            yield return ("decoder", $"{Count(head.DecoderDepth, "block")}, {head.DecoderWidth} wide, {Count(head.DecoderHeads, "head")}");
            yield return ("masks", FormattableString.Invariant($"{head.Mask.Ratio:p0} {head.Mask.Masking}, {Count(head.MaskTokens, "mask token")} before the {CommonOptions.Word(head.Placement)}"));
            yield return ("target", $"{CommonOptions.Word(head.Target)}, loss on {CommonOptions.Word(head.LossOn)} patches");
        }
        else
        {
            yield return ("decoder", "none: the encoder alone");
        }
        yield return ("parameters", FormattableString.Invariant($"{info.Parameters:n0} in {string.Join(" and ", info.Types)}, of them {info.EncoderParameters:n0} in the encoder"));
        if (model.Data is { } data)
        {
            yield return ("data", FormattableString.Invariant($"{data.Source}, {data.Pictures:n0} of its pictures, fingerprint {data.Fingerprint}"));
            yield return ("split", $"held out by seed {data.SplitSeed}{(data.HoldOutDevelopment ? ", with pictures held out for development" : "")}");
        }
        foreach (var (key, value) in model.Training.OrderBy(t => t.Key, StringComparer.Ordinal)) yield return ("training: " + Words(key), value);
    }

    private static string Count(int number, string what) => $"{number} {what}{(number == 1 ? "" : "s")}";

    // A metric's name is in words already.
    private static string Words(string key) => key.Contains('/') ? key : JsonNamingPolicy.KebabCaseLower.ConvertName(key).Replace('-', ' ');
}
