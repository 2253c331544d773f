using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.VectorData;
using Microsoft.ML.OnnxRuntime;

namespace Tessera.Onnx;

/// <summary>Tessera in an application's services.</summary>
public static class ServiceCollectionExtensions
{
    /// <summary>
    /// Adds one <see cref="ImageEmbedder"/> for the whole application, also as <c>IEmbeddingGenerator&lt;DataContent, Embedding&lt;float&gt;&gt;</c>. It is loaded
    /// when it is first asked for.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="file">As for <see cref="ImageEmbedder(string, SessionOptions?)"/>; null: the model that ships.</param>
    /// <param name="options">How it shall run; null: on all cores.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddTesseraEmbedder(this IServiceCollection services, string? file = null, Func<IServiceProvider, SessionOptions>? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton(provider => Load(file, options?.Invoke(provider)));
        return services.AddSingleton<IEmbeddingGenerator<DataContent, Embedding<float>>>(provider => provider.GetRequiredService<ImageEmbedder>());
    }

    /// <summary>Adds one <see cref="ImageClassifier"/> for the whole application. It is loaded when it is first asked for.</summary>
    /// <param name="services">The services.</param>
    /// <param name="file">As for <see cref="ImageClassifier(string, SessionOptions?)"/>.</param>
    /// <param name="options">How it shall run; null: on all cores.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddTesseraClassifier(this IServiceCollection services, string file, Func<IServiceProvider, SessionOptions>? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddSingleton(provider =>
        {
            using var taken = options?.Invoke(provider);
            return new ImageClassifier(file, taken);
        });
    }

    /// <summary>
    /// Adds one <see cref="PictureCollection"/> for the whole application, also as <c>VectorStoreCollection&lt;string, PictureRecord&gt;</c> and as
    /// <c>IVectorSearchable&lt;PictureRecord&gt;</c>. It is read when it is first asked for, and embeds with the embedder of the services, where there is one.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="file">As for <see cref="PictureCollection.Open"/>.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddTesseraCollection(this IServiceCollection services, string file)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton(provider => PictureCollection.Open(file, provider.GetService<IEmbeddingGenerator<DataContent, Embedding<float>>>()));
        services.AddSingleton<VectorStoreCollection<string, PictureRecord>>(provider => provider.GetRequiredService<PictureCollection>());
        return services.AddSingleton<IVectorSearchable<PictureRecord>>(provider => provider.GetRequiredService<PictureCollection>());
    }

    private static ImageEmbedder Load(string? file, SessionOptions? options)
    {
        using (options) return new ImageEmbedder(file ?? ShippedModel.File, options);
    }
}
