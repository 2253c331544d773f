using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Microsoft.ML.OnnxRuntime;

namespace Tessera.Onnx.Tests.Fixtures;

/// <summary>ONNX Runtime by itself, as any program uses it, and all that it says.</summary>
internal sealed class PlainRuntime : IDisposable
{
    private static readonly List<string> Said = [];

    private readonly InferenceSession session;

    /// <summary>Listens, from before the first session of the process on.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "There is one environment a process, and it is made once.")]
    internal static void Listen()
    {
        var options = new EnvironmentCreationOptions { logId = "tests", logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_WARNING, loggingFunction = Hear };
        OrtEnv.CreateInstanceWithOptions(ref options);
    }

    /// <summary>Loads a file.</summary>
    public PlainRuntime(string file) => session = new InferenceSession(file);

    /// <summary>What a value is called whose graph is meant to be warned of.</summary>
    public const string Provoked = "provoked";

    /// <summary>Warnings and worse, of all sessions.</summary>
    public static IReadOnlyList<string> Warnings => [.. All.Where(said => !said.Contains(Provoked, StringComparison.Ordinal))];

    /// <summary>The same, with those that were meant to be.</summary>
    public static IReadOnlyList<string> All
    {
        get
        {
            lock (Said) return [.. Said];
        }
    }

    /// <summary>Runs the graph.</summary>
    public float[] Run(string output, params (string Name, Array Values, long[] Shape)[] inputs)
    {
        var values = inputs.Select(input => input.Values is byte[] bytes
            ? OrtValue.CreateTensorValueFromMemory(bytes, input.Shape)
            : OrtValue.CreateTensorValueFromMemory((long[])input.Values, input.Shape)).ToList();
        try
        {
            using var options = new RunOptions();
            using var results = session.Run(options, [.. inputs.Select(input => input.Name)], values, [output]);
            return results[0].GetTensorDataAsSpan<float>().ToArray();
        }
        finally
        {
            values.ForEach(value => value.Dispose());
        }
    }

    public void Dispose() => session.Dispose();

    private static void Hear(nint parameter, OrtLoggingLevel severity, string category, string logId, string codeLocation, string message)
    {
        lock (Said) Said.Add(message);
    }
}
