using Tessera.Cli.Console;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera env</c>: what Tessera finds on this machine.</summary>
internal static class EnvCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("env", "Say what Tessera finds on this machine: libtorch, devices, number formats, cores, memory, cached files. The first thing a bug report needs.", "tessera env");
        var cache = CommonOptions.Cache();
        command.Add(cache);
        command.SetAction(parsed =>
        {
            var found = EnvironmentReport.Find(parsed.GetValue(cache)!);
            var models = ShippedModels.Default;
            terminal.Say($"tessera    {found.Tessera}, {found.Runtime}, {found.System}");
            terminal.Say($"processor  {found.Processor}: {found.Cores} cores usable{string.Concat(found.Instructions.Select(i => $", {i}"))}");
            terminal.Say(FormattableString.Invariant($"memory     {found.MemoryBytes / 1e9:f1} GB usable"));
            terminal.Say(found.LibTorch is { } folder ? $"libtorch   {folder}, {Version(found)}" : $"libtorch   does not load: {found.LibTorchFault}");
            foreach (var function in found.LibTorchLacks) terminal.Say($"lacks      {function}");
            foreach (var device in found.Devices) terminal.Say($"device     {device.Name}; --precision auto is {CommonOptions.Word(device.Precision)}");
            terminal.Say(FormattableString.Invariant($"cache      {found.CacheFolder}: {found.CacheFiles} files, {found.CacheBytes / 1e6:f0} MB"));
            terminal.Say($"models     {(models.Names.Count == 0 ? "none" : string.Join(", ", models.Names))} in {models.Folder}");
            terminal.Result(new Found(found, models.Folder, models.Names));
            return found.LibTorch is null ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }

    private static string Version(EnvironmentReport found) =>
        found.LibTorchVersion is not { } version ? $"of an unknown version; TorchSharp is built for {found.LibTorchExpected}"
        : version.StartsWith($"{found.LibTorchExpected}.", StringComparison.Ordinal) ? version
        : $"{version}; TorchSharp is built for {found.LibTorchExpected}";

    private sealed record Found(EnvironmentReport Machine, string ModelFolder, IReadOnlyList<string> Models);
}
