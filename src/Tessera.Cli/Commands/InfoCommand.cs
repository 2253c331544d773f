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
            var (architecture, encoder) = (info.Description.Architecture, info.Description.Architecture.Encoder);
            (string, string)[] lines =
            [
                ("file", info.File),
                ("encoder", $"{encoder.Depth} blocks, {encoder.Width} wide, {encoder.Heads} heads, {CommonOptions.Word(encoder.Positions)} positions{(encoder.ClassToken ? ", class token" : "")}"),
                ("decoder", $"{architecture.DecoderDepth} block{(architecture.DecoderDepth == 1 ? "" : "s")}, {architecture.DecoderWidth} wide, {architecture.DecoderHeads} heads"),
                ("pictures", $"{encoder.ImageHeight}x{encoder.ImageWidth}, {encoder.Channels} channel{(encoder.Channels == 1 ? "" : "s")}, patches of {encoder.PatchSize}: {encoder.Patches} tokens"),
                ("masks", FormattableString.Invariant($"{info.Description.Mask.Ratio:p0} {info.Description.Mask.Masking}, {architecture.MaskTokens} mask tokens before the {CommonOptions.Word(architecture.Placement)}")),
                ("target", $"{CommonOptions.Word(architecture.Target)}, loss on {CommonOptions.Word(architecture.LossOn)} patches"),
                ("parameters", FormattableString.Invariant($"{info.Parameters:n0}, of them {info.EncoderParameters:n0} in the encoder")),
                .. info.Description.Training.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => ("training: " + Words(t.Key), t.Value)),
            ];
            var width = lines.Max(l => l.Item1.Length);
            foreach (var (name, value) in lines) terminal.Say($"{name.PadRight(width)}  {value}");
            terminal.Result(info);
            return ExitCode.Done;
        });
        return command;
    }

    private static string Words(string key) => JsonNamingPolicy.KebabCaseLower.ConvertName(key).Replace('-', ' ');
}
